import fc from "fast-check";
import { describe, test } from "vitest";
import { initialClusterState } from "#lib/cluster/cluster-state.ts";
import { clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { decodeChunk, encodeChunk } from "#lib/journal/archive-chunk.ts";
import { decodeCommandObject, encodeCommandObject } from "#lib/journal/command-object.ts";
import { decodeFeatureLevel, decodeRecord, encodeEnvelope, encodeRecord } from "#lib/journal/command-record.ts";
import { decodePointer, encodePointer, snapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import type { AppendPart, AppendSource, LogCommand } from "#lib/log/log-command.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { crc32c } from "#lib/record/crc32c.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { clusterCommand } from "../cluster/arbitrary-command.ts";
import { encodedState, flushIdOf, openedLog, produced, TOPIC, topicIdOf } from "../log/log-fixtures.ts";
import { expectBounded } from "./hostile.ts";

const errors = [DecodeError];
const number = fc.oneof(fc.nat(300), fc.nat());
const topicId = fc.integer({ min: 1, max: 3 }).map(topicIdOf);

/** Decodes as the journal does: a command or a state fills its bytes. */
function whole<T>(decode: (reader: ByteReader) => T): (bytes: Uint8Array) => T {
  return (bytes) => {
    const reader = new ByteReader(bytes);
    const value = decode(reader);
    reader.end();
    return value;
  };
}

/** Puts the right CRC-32C into the last four bytes. */
function resummed(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength < 4) return bytes;
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(crc32c(copy.subarray(0, -4)), copy.byteLength - 4);
  return copy;
}

function encodedCommand<S, C, O>(machine: StateMachine<S, C, O>, command: C): Uint8Array {
  const writer = new ByteWriter();
  machine.encodeCommand(command, writer);
  return writer.toBytes();
}

const batch = fc
  .record({
    byteLength: number,
    offsetCount: number,
    maxTimestampMs: fc.maxSafeNat(),
    isTransactional: fc.boolean(),
    isIdempotent: fc.boolean(),
  })
  .map(({ isIdempotent, ...fields }) => ({
    ...(isIdempotent ? produced(3) : produced(-1, { producerId: -1 })),
    ...fields,
  }));
const part: fc.Arbitrary<AppendPart> = fc.record({
  topicId,
  partitionIndex: number,
  position: number,
  batches: fc.array(batch, { maxLength: 4 }),
});
const source: fc.Arbitrary<AppendSource> = fc.oneof(
  fc.record({ kind: fc.constant("inline" as const), bytes: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({
    kind: fc.constant("object" as const),
    key: fc.constantFrom(objectKey("wal/a"), objectKey("")),
    byteLength: number,
    copies: fc.array(number, { maxLength: 3 }),
  }),
);
const logCommand: fc.Arbitrary<LogCommand> = fc.oneof(
  fc.record({ kind: fc.constant("place-replicas" as const), replicas: fc.array(number, { maxLength: 4 }) }),
  fc.record({
    kind: fc.constant("open" as const),
    topicId,
    partitionIndexes: fc.array(number, { maxLength: 5 }),
    replicationFactor: number,
    minInsyncReplicas: number,
    clusterSeq: number,
  }),
  fc.record({ kind: fc.constant("drop" as const), topicId, clusterSeq: number }),
  fc.record({
    kind: fc.constant("elect" as const),
    expectedEpoch: number,
    brokerId: fc.integer({ min: -1, max: 5 }),
    brokerEpoch: number,
    clusterSeq: number,
  }),
  fc.record({
    kind: fc.constant("alter-isr" as const),
    expectedIsrEpoch: number,
    isr: fc.array(number, { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant("add-replicas" as const), replicas: fc.array(number, { maxLength: 4 }) }),
  fc.record({
    kind: fc.constant("declare-lost" as const),
    topicId,
    partitionIndex: number,
    key: fc.constantFrom(objectKey("wal/a"), objectKey("")),
  }),
  fc.record({
    kind: fc.constant("advance-log-start" as const),
    topicId,
    partitionIndex: number,
    logStartOffset: number,
  }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      flushId: fc.nat().map(flushIdOf),
      source,
      parts: fc.array(part, { maxLength: 4 }),
    }),
  },
);

const SEEN = { brokerEpoch: 5, clusterSeq: 6 };

/** States of a journal after some appends, inlined and not, elections and losses. */
const logState = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()), { maxLength: 12 }).map((flushes) => {
  const log = openedLog();
  let sequence = 0;
  for (const [count, isInline] of flushes) {
    const batches = Array.from({ length: count }, () => produced(sequence++));
    if (isInline)
      log.appendParts([{ topicId: TOPIC, partitionIndex: 0, position: 0, batches }], {
        kind: "inline",
        bytes: new Uint8Array(300),
      });
    else log.append(batches);
    if (count === 3)
      log.fold({ kind: "declare-lost", topicId: TOPIC, partitionIndex: 0, key: objectKey(`wal/${log.seq - 1}`) });
    if (count === 2) log.fold({ kind: "elect", expectedEpoch: log.state.leader.epoch, brokerId: 0, ...SEEN });
  }
  return encodedState(log.state);
});

const clusterState = fc.array(clusterCommand, { maxLength: 20 }).map((commands) => {
  const state = initialClusterState();
  for (const [index, command] of commands.entries()) {
    clusterStateMachine.fold(state, command, { seq: index + 1, indexInRecord: 0, proposedAtMs: 1_700_000_000_000 });
  }
  const writer = new ByteWriter();
  clusterStateMachine.encodeState(state, writer);
  return writer.toBytes();
});

describe("damaged bytes are a DecodeError or decode, soon and in little memory:", () => {
  test("a command of a log journal", () => {
    const sound = logCommand.map((each) => encodedCommand(logStateMachine, each));
    expectBounded(whole(logStateMachine.decodeCommand), { sound, errors });
  });

  test("the state of a log journal", () => {
    expectBounded(whole(logStateMachine.decodeState), { sound: logState, errors });
  });

  test("a command of the cluster journal", () => {
    const sound = clusterCommand.map((each) => encodedCommand(clusterStateMachine, each));
    expectBounded(whole(clusterStateMachine.decodeCommand), { sound, errors });
  });

  test("the state of the cluster journal", () => {
    expectBounded(whole(clusterStateMachine.decodeState), { sound: clusterState, errors });
  });

  test("a journal record, with a right checksum too", () => {
    const scratch = new ByteWriter();
    const envelope = fc
      .record({
        id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        proposedAtMs: fc.maxSafeNat(),
        kind: fc.constantFrom(0 as const, 1 as const, 3 as const),
        body: fc.uint8Array({ maxLength: 40 }),
      })
      .map(({ body, ...fields }) => encodeEnvelope(fields, (writer) => writer.bytes(body), scratch));
    const sound = fc
      .tuple(fc.nat(), fc.array(envelope, { minLength: 1, maxLength: 4 }))
      .map(([checksum, envelopes]) => encodeRecord(checksum, envelopes));
    expectBounded(decodeRecord, { sound, errors, repair: resummed });
  });

  const object = fc.record({
    key: fc.string({ unit: "grapheme", maxLength: 60 }),
    byteLength: fc.maxSafeNat(),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    copies: fc.array(number, { maxLength: 4 }),
  });

  test("a pointer to a snapshot, with a right checksum too", () => {
    const sound = fc
      .record({ seq: fc.constant(1), takenAtMs: fc.maxSafeNat(), journalBytes: fc.maxSafeNat(), object })
      .map((fields) => encodePointer(snapshotPointer(fields)));
    expectBounded((bytes) => decodePointer({ seq: 1, bytes }), { sound, errors, repair: resummed });
  });

  test("a pointer to a snapshot and an archive, with a right checksum too", () => {
    const sound = fc
      .record({
        takenAtMs: fc.maxSafeNat(),
        journalBytes: fc.maxSafeNat(),
        object,
        snapshotJournalBytes: fc.maxSafeNat(),
        objects: fc.array(object, { minLength: 1, maxLength: 4 }),
      })
      .map(({ objects, ...fields }) => {
        const chunks = objects.map((each, index) => ({ lastSeq: 10 - objects.length + 1 + index, object: each }));
        return encodePointer({ ...fields, seq: 10, snapshotSeq: 5, chunks });
      });
    expectBounded((bytes) => decodePointer({ seq: 10, bytes }), { sound, errors, repair: resummed });
  });

  test("a chunk of an archive", () => {
    const sound = fc
      .array(fc.uint8Array({ maxLength: 40 }), { minLength: 3, maxLength: 3 })
      .map((records) => encodeChunk(records.map((bytes, index) => ({ seq: 7 + index, bytes }))));
    expectBounded((bytes) => decodeChunk(bytes, 6, 9), { sound, errors });
  });

  test("where a large command lies", () => {
    const sound = fc.record({ foldedSeq: fc.maxSafeNat(), object }).map((command) => {
      const writer = new ByteWriter();
      encodeCommandObject(command, writer);
      return writer.toBytes();
    });
    expectBounded(decodeCommandObject, { sound, errors });
  });

  test("a feature level", () => {
    const sound = fc.integer().map((level) => new ByteWriter().int32(level).toBytes());
    expectBounded(decodeFeatureLevel, { sound, errors });
  });
});
