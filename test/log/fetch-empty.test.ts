import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { storedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, NEVER, topicOf } from "./fetch-harness.ts";

const SIZE = storedBatch().byteLength;
const HOUR_MS = 60 * 60 * 1000;

/** A log with one batch, and a process that stands at its end after it has looked just now. */
async function atTheEnd() {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const append = (by = writer, partitionIndex = 0) =>
    world.run(by.append([{ topic, partitionIndex, batches: [storedBatch()] }]));
  await append();
  const faults: { now: JournalFault | undefined } = { now: undefined };
  const reads: string[] = [];
  const reader = world.process({
    journalPollMs: 250,
    journalFaults: {
      next(call) {
        if (call.method === "read") reads.push(call.journal);
        return call.method === "append" ? undefined : faults.now;
      },
    },
  });
  await reader.fetchOne(topic, 0, 1);
  return { world, topic, writer, reader, append, faults, reads };
}

test("a fetch that does not wait sees what was committed before it came, however lately its process looked", async () => {
  const { topic, reader, append } = await atTheEnd();
  await append();
  expect((await reader.fetchOne(topic, 0, 1)).recordsByteLength).toBe(SIZE);
});

test("a commit of one's own long ago is no reason to call a log empty", async () => {
  const { world, topic, reader, append } = await atTheEnd();
  await append(reader, 2);
  await world.clock.advance(HOUR_MS / 2);
  await append();
  expect((await reader.fetchOne(topic, 0, 1)).recordsByteLength).toBe(SIZE);
});

test("a wait shorter than the spacing of polls ends with a look of its own", async () => {
  const { world, topic, reader, append } = await atTheEnd();
  await append();
  const request = { topic, partitionIndex: 0, fetchOffset: 1, bytesMax: 1_000 };
  const fetched = reader.fetch([request], { waitMsMax: 10 });
  await world.clock.advance(10);
  expect((await world.run(fetched))[0]?.recordsByteLength).toBe(SIZE);
});

test("a look that shows an older state does not make an empty answer final", async () => {
  const { world, topic, reader, append, faults } = await atTheEnd();
  await world.clock.advance(1_000);
  await append();
  faults.now = { kind: "stale", recordsHidden: 1 };
  expect((await reader.fetchOne(topic, 0, 1)).recordsByteLength).toBe(SIZE);
});

test("a log is not called empty while its journal does not answer", async () => {
  const { topic, reader, faults } = await atTheEnd();
  faults.now = { kind: "failure" };
  expect((await reader.fetchOne(topic, 0, 1)).error).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  faults.now = undefined;
  expect(await reader.fetchOne(topic, 0, 1)).toMatchObject({ error: ErrorCode.NONE, recordsByteLength: 0 });
});

test("a wait that ends empty costs its polls and nothing else", async () => {
  const { world, topic, reader, reads } = await atTheEnd();
  await world.clock.advance(1_000);
  reads.length = 0;
  const request = { topic, partitionIndex: 0, fetchOffset: 1, bytesMax: 1_000 };
  const fetched = reader.fetch([request], { waitMsMax: 500 });
  await world.clock.advance(500);
  await world.run(fetched);
  expect(reads.length).toBeLessThanOrEqual(3);
});

test("a look that hangs from before the request is not waited for as if it were one of its own", async () => {
  const { world, reader, append, faults } = await atTheEnd();
  const journal = await reader.journals.journal(0, NEVER);
  await world.clock.advance(1_000);
  faults.now = { kind: "slow", ms: 5_000 };
  const early = journal.catchUp(NEVER);
  await world.clock.endOfTurn();
  faults.now = undefined;
  await append();
  const late = journal.catchUp(NEVER);
  await world.clock.advance(6_000);
  await Promise.all([early, late]);
  expect(journal.state.partitions.values().next().value?.logEndOffset).toBe(2);
});

test("whoever reads what is there causes no looks at journals", async () => {
  const { world, topic, reader, reads } = await atTheEnd();
  await world.clock.advance(1_000);
  reads.length = 0;
  for (let count = 0; count < 10; count++) {
    expect((await reader.fetchOne(topic, 0, 0)).recordsByteLength).toBe(SIZE);
    await world.clock.advance(1_000);
  }
  expect(reads).toEqual([]);
});
