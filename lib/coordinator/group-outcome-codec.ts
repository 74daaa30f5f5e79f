import { unreachable } from "#lib/util/assert.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { encodeAssignment, encodeList, encodeOptional, encodeOptionalText } from "./group-fields.ts";
import type { GroupOutcome } from "./group-outcome.ts";

// An outcome, as it enters a journal's checksum. Nothing reads it back. Fields that formats share: group-fields.ts.
//
//   outcome   kind uint8     0 done, 1 refused, 2 moved, 3 stale view, 4 joined, 5 reserved, 6 subscription needed,
//                            7 nobody joined, 8 left, 9 joined consumer group, 10 consumer heartbeat, 11 upgrade needed
//             refused:                 error int16
//             joined:                  round uvarint, replacedMemberId optional text
//             left:                    errors list of int16
//             joined consumer group:   memberEpoch int32, protocolName text
//             consumer heartbeat:      memberEpoch int32, assignment optional assignment

const KINDS = {
  done: 0,
  refused: 1,
  moved: 2,
  "stale-view": 3,
  joined: 4,
  reserved: 5,
  "subscription-needed": 6,
  "nobody-joined": 7,
  left: 8,
  "joined-consumer-group": 9,
  "consumer-heartbeat": 10,
  "upgrade-needed": 11,
} as const satisfies Record<GroupOutcome["kind"], number>;

export function encodeGroupOutcome(outcome: GroupOutcome, writer: ByteWriter): void {
  writer.uint8(KINDS[outcome.kind]);
  switch (outcome.kind) {
    case "done":
    case "moved":
    case "stale-view":
    case "reserved":
    case "subscription-needed":
    case "nobody-joined":
    case "upgrade-needed":
      return;
    case "refused":
      writer.int16(outcome.error);
      return;
    case "joined":
      encodeOptionalText(outcome.replacedMemberId, writer.uvarint(outcome.round));
      return;
    case "left":
      encodeList(outcome.errors, writer, (error) => writer.int16(error));
      return;
    case "joined-consumer-group":
      writer.int32(outcome.memberEpoch).text(outcome.protocolName);
      return;
    case "consumer-heartbeat":
      writer.int32(outcome.memberEpoch);
      encodeOptional(outcome.assignment, writer, (assignment) => encodeAssignment(assignment, writer));
      return;
    default:
      unreachable(outcome);
  }
}
