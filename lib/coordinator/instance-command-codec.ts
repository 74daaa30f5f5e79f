import { decodeList, decodeTopicId, encodeTopicId } from "#lib/log/codec-fields.ts";
import { unreachable } from "#lib/util/assert.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeFlag, encodeFlag, encodeList } from "./group-fields.ts";
import type { AdvanceInstanceCommand, InstanceCommand, InstancePosition } from "./instance-command.ts";
import {
  decodeInstanceConfig,
  decodeInstanceSubscription,
  encodeInstanceConfig,
  encodeInstanceSubscription,
} from "./instance-fields.ts";

// Commands on consumer instances, after kind and group id (group-command-codec.ts). All begin with instanceId text. Shared
// fields: instance-fields.ts.
//
//   17 create      config
//   18 subscribe   clusterSeq uvarint, subscription
//   19 seek        clusterSeq uvarint, positions
//   20 advance     createdSeq uvarint, version uvarint, clusterSeq uvarint, commits uint8, delivers uint8, positions
//   21 touch       nothing
//   22 delete      nothing
//   23 expire      seenSeq uvarint
//   positions      list of { topicId 16 bytes, partitionIndex uvarint, offset int64 }

export const INSTANCE_KINDS = {
  "create-instance": 17,
  "subscribe-instance": 18,
  "seek-instance": 19,
  "advance-instance": 20,
  "touch-instance": 21,
  "delete-instance": 22,
  "expire-instance": 23,
} as const satisfies Record<InstanceCommand["kind"], number>;

const KNOWN_KINDS: ReadonlySet<number> = new Set(Object.values(INSTANCE_KINDS));

/** Everything after the group id. */
export function encodeInstanceCommand(command: InstanceCommand, writer: ByteWriter): void {
  writer.text(command.instanceId);
  switch (command.kind) {
    case "create-instance":
      encodeInstanceConfig(command.config, writer);
      return;
    case "subscribe-instance":
      encodeInstanceSubscription(command.subscription, writer.uvarint(command.clusterSeq));
      return;
    case "seek-instance":
      encodePositions(command.positions, writer.uvarint(command.clusterSeq));
      return;
    case "advance-instance":
      writer.uvarint(command.createdSeq).uvarint(command.version).uvarint(command.clusterSeq);
      encodeFlag(command.commits, writer);
      encodeFlag(command.delivers, writer);
      encodePositions(command.positions, writer);
      return;
    case "touch-instance":
    case "delete-instance":
      return;
    case "expire-instance":
      writer.uvarint(command.seenSeq);
      return;
    default:
      unreachable(command);
  }
}

export function decodeInstanceCommand(kind: number, groupId: string, reader: ByteReader): InstanceCommand {
  if (!KNOWN_KINDS.has(kind)) throw new DecodeError(`unknown kind of group command ${kind}`);
  const who = { groupId, instanceId: reader.text() };
  switch (kind) {
    case INSTANCE_KINDS["create-instance"]:
      return { kind: "create-instance", ...who, config: decodeInstanceConfig(reader) };
    case INSTANCE_KINDS["subscribe-instance"]: {
      const clusterSeq = reader.uvarint();
      return { kind: "subscribe-instance", ...who, clusterSeq, subscription: decodeInstanceSubscription(reader) };
    }
    case INSTANCE_KINDS["seek-instance"]: {
      const clusterSeq = reader.uvarint();
      return { kind: "seek-instance", ...who, clusterSeq, positions: decodePositions(reader) };
    }
    case INSTANCE_KINDS["advance-instance"]:
      return decodeAdvance(who, reader);
    case INSTANCE_KINDS["touch-instance"]:
      return { kind: "touch-instance", ...who };
    case INSTANCE_KINDS["delete-instance"]:
      return { kind: "delete-instance", ...who };
    default:
      return { kind: "expire-instance", ...who, seenSeq: reader.uvarint() };
  }
}

function decodeAdvance(
  who: Pick<AdvanceInstanceCommand, "groupId" | "instanceId">,
  reader: ByteReader,
): AdvanceInstanceCommand {
  return {
    kind: "advance-instance",
    ...who,
    createdSeq: reader.uvarint(),
    version: reader.uvarint(),
    clusterSeq: reader.uvarint(),
    commits: decodeFlag(reader),
    delivers: decodeFlag(reader),
    positions: decodePositions(reader),
  };
}

function encodePositions(positions: readonly InstancePosition[], writer: ByteWriter): void {
  encodeList(positions, writer, ({ topicId, partitionIndex, offset }) => {
    encodeTopicId(topicId, writer);
    writer.uvarint(partitionIndex).int64(offset);
  });
}

function decodePositions(reader: ByteReader): readonly InstancePosition[] {
  return decodeList(reader, () => {
    const topicId = decodeTopicId(reader);
    const partitionIndex = reader.uvarint();
    return { topicId, partitionIndex, offset: reader.int64() };
  });
}
