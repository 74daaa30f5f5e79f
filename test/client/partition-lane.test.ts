import { expect, test } from "vitest";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { type LaneOptions, PartitionLane } from "#lib/client/partition-lane.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { CLIENT_BATCH_BYTES_MAX } from "#lib/util/limits.ts";

interface Sent {
  readonly baseSequence: number;
  readonly values: readonly string[];
}

function newLane(options: Partial<LaneOptions> = {}) {
  const sent: Sent[] = [];
  const failures: unknown[] = [];
  const lane = new PartitionLane({
    codec: "none",
    producer: { producerId: 4, producerEpoch: 0 },
    send: async (batch) => {
      await options.send?.(batch);
      const values = [...readRecords(batch)].map((record) => Buffer.from(record.value ?? []).toString());
      sent.push({ baseSequence: readBatchHeader(batch).baseSequence, values });
    },
    onSent: () => {},
    onFailed: (error) => failures.push(error),
    endOfTurn: () => Promise.resolve(),
  });
  const add = (...values: readonly (string | Buffer)[]) => {
    for (const value of values) lane.add({ timestampMs: 1, key: null, value: Buffer.from(value) });
  };
  return { lane, add, sent, failures };
}

test("what comes in one turn is one batch, and sequences follow on", async () => {
  const { lane, add, sent } = newLane();
  add("a", "b", "c");
  await lane.idle();
  add("d");
  await lane.idle();
  expect(sent).toEqual([
    { baseSequence: 0, values: ["a", "b", "c"] },
    { baseSequence: 3, values: ["d"] },
  ]);
});

test("what comes while a batch is under way waits for it", async () => {
  const gate = Promise.withResolvers<void>();
  const { lane, add, sent } = newLane({ send: () => gate.promise });
  add("a");
  await Promise.resolve();
  add("b", "c");
  gate.resolve();
  await lane.idle();
  expect(sent.flatMap((batch) => batch.values)).toEqual(["a", "b", "c"]);
});

test("a batch ends at its size", async () => {
  const { lane, add, sent } = newLane();
  const half = Buffer.alloc(CLIENT_BATCH_BYTES_MAX / 2, "x");
  add(half, half, half);
  await lane.idle();
  expect(sent.map((batch) => batch.values.length)).toEqual([1, 1, 1]);
});

test("a batch that is too large for the topic is sent in halves with the same sequences", async () => {
  const refuse = async (batch: Uint8Array) => {
    if (readBatchHeader(batch).recordCount > 1) throw new KafkaError(ErrorCode.MESSAGE_TOO_LARGE, "t-0");
  };
  const { lane, add, sent, failures } = newLane({ send: refuse });
  add("a", "b", "c");
  await lane.idle();
  expect(sent).toEqual([
    { baseSequence: 0, values: ["a"] },
    { baseSequence: 1, values: ["b"] },
    { baseSequence: 2, values: ["c"] },
  ]);
  expect(failures).toEqual([]);
});

test("a failure is told and ends the lane's work", async () => {
  const error = new KafkaError(ErrorCode.INVALID_RECORD, "t-0");
  const { lane, add, failures } = newLane({ send: () => Promise.reject(error) });
  add("a", "b");
  await lane.idle();
  expect(failures).toEqual([error]);
});
