import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { groupJournalId, groupJournalNumber } from "#lib/coordinator/group-journals.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { COMMAND_KIND, decodeRecord, encodeEnvelope, encodeRecord } from "#lib/journal/command-record.ts";
import { FoldedState } from "#lib/journal/folded-state.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { writeAheadKey } from "#lib/storage/object-keys.ts";
import { sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { defined } from "#lib/util/assert.ts";
import { flushIdFromBytes, uuidFromBytes } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { GROUP_JOURNALS_DEFAULT } from "#lib/util/limits.ts";

// One record, `k` = `hello`, on its way into an empty log: the object that holds it, and the two records of `log-0` that
// open its partition and make it visible; then the record of a group journal by which a group has read it. The real code
// writes all of it; random numbers and times are fixed.

export const TIME_MS = 1_700_000_000_000;
export const topicId = uuidFromBytes(Buffer.from("101112131415161718191a1b1c1d1e1f", "hex"));
export const flushId = flushIdFromBytes(Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"));
export const GROUP = "orders";
export const groupJournal = groupJournalId(groupJournalNumber(GROUP, GROUP_JOURNALS_DEFAULT));
export const key = writeAheadKey({ uploadEpoch: 472_222, writerId: "0123456789abcdef", flushId });

export interface WorkedExample {
  readonly segment: Uint8Array;
  readonly batchByteLength: number;
  readonly opening: Uint8Array;
  readonly append: Uint8Array;
  readonly commit: Uint8Array;
  /** The checksum after each of the three records; the last one is of another journal. */
  readonly checksums: readonly number[];
}

export function workedExample(): WorkedExample {
  const record = { key: Buffer.from("k"), value: Buffer.from("hello"), headers: [], timestampMs: TIME_MS };
  const batch = buildBatch([record], { partitionLeaderEpoch: 0 });
  const sealed = sealWriteAheadSegment({ flushId, parts: [{ topicId, partitionIndex: 0, batches: [batch] }] });
  const segment = Buffer.concat(sealed.chunks);
  const log = new FoldedState(logJournalId(0), logStateMachine);
  const opening = encodeRecord(0, [
    logEnvelope(0xa1, { kind: "place-replicas", replicas: [0] }),
    logEnvelope(0xa2, {
      kind: "open",
      topicId,
      partitionIndexes: [0],
      replicationFactor: 1,
      minInsyncReplicas: 1,
      clusterSeq: 3,
    }),
  ]);
  const afterOpening = foldedChecksum(log, opening);
  const { lastOffsetDelta, maxTimestamp, producerId, producerEpoch, baseSequence } = readBatchHeader(batch);
  const append = encodeRecord(afterOpening, [
    logEnvelope(0xa3, {
      kind: "append",
      flushId,
      source: { kind: "object", key, byteLength: segment.byteLength, copies: [0] },
      parts: [
        {
          topicId,
          partitionIndex: 0,
          position: defined(sealed.positions[0]),
          batches: [
            {
              byteLength: batch.byteLength,
              offsetCount: lastOffsetDelta + 1,
              maxTimestampMs: maxTimestamp,
              producerId,
              producerEpoch,
              baseSequence,
              isTransactional: false,
              requireMinInsync: true,
            },
          ],
        },
      ],
    }),
  ]);
  const commit = encodeRecord(0, [envelope(0xa4, COMMIT, groupStateMachine)]);
  const checksums = [
    afterOpening,
    foldedChecksum(log, append),
    foldedChecksum(new FoldedState(groupJournal, groupStateMachine), commit),
  ];
  return { segment, batchByteLength: batch.byteLength, opening, append, commit, checksums };
}

const COMMIT: GroupCommand = {
  kind: "commit-offsets",
  groupId: GROUP,
  memberId: "",
  groupInstanceId: undefined,
  generationIdOrMemberEpoch: -1,
  knowsMemberEpochs: true,
  clusterSeq: 3,
  topics: [{ topicId, partitions: [{ partitionIndex: 0, offset: 1, leaderEpoch: 0, metadata: "", expiresAtMs: -1 }] }],
};

function foldedChecksum<State, Command, Outcome>(
  folded: FoldedState<State, Command, Outcome>,
  record: Uint8Array,
): number {
  folded.fold(decodeRecord(record), new Map());
  return folded.checksum;
}

function logEnvelope(idByte: number, command: LogCommand): Uint8Array {
  return envelope(idByte, command, logStateMachine);
}

function envelope<State, Command, Outcome>(
  idByte: number,
  command: Command,
  machine: StateMachine<State, Command, Outcome>,
): Uint8Array {
  const fields = { id: Buffer.alloc(16, idByte), proposedAtMs: TIME_MS, kind: COMMAND_KIND.machine };
  return encodeEnvelope(fields, (writer) => machine.encodeCommand(command, writer), new ByteWriter());
}
