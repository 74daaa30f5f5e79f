import { expect, test } from "vitest";
import { AppendRequest, type QueuedBatch, TIMED_OUT } from "#lib/log/append-request.ts";
import { FlushBuffer } from "#lib/log/flush-buffer.ts";
import { defined } from "#lib/util/assert.ts";
import { appendOf, NEVER, topicOf } from "./append-harness.ts";

const TOPIC = topicOf(1);
/** A batch of one record with a text of one byte. */
const SIZE = appendOf(TOPIC, 0, "a").bytes.byteLength;

function queued(text: string): QueuedBatch {
  const options = { signal: NEVER, requireMinInsync: true };
  const request = new AppendRequest([appendOf(TOPIC, 0, text)], options, { onSettled() {}, resolve() {} });
  return defined(request.batches[0]);
}

function filled(count: number, limits: { bytesMax?: number; batchesMax?: number } = {}) {
  const buffer = new FlushBuffer({ bytesMax: 1_000_000, batchesMax: 1_000, ...limits });
  const batches = Array.from({ length: count }, (_, index) => queued(String(index % 10)));
  for (const batch of batches) buffer.push(batch);
  return { buffer, batches };
}

test("batches leave in the order of their arrival, as many as fit", () => {
  const { buffer, batches } = filled(7, { batchesMax: 3 });
  expect(buffer.take()).toEqual(batches.slice(0, 3));
  expect(buffer.count).toBe(4);
  expect(buffer.take()).toEqual(batches.slice(3, 6));
  expect(buffer.isFull).toBe(false);
  expect(buffer.take()).toEqual(batches.slice(6));
  expect(buffer.take()).toEqual([]);
});

test("bytes bound a flush, but one batch always goes", () => {
  const { buffer, batches } = filled(4, { bytesMax: 2 * SIZE + 1 });
  expect(buffer.isFull).toBe(true);
  expect(buffer.take()).toEqual(batches.slice(0, 2));
  const large = filled(2, { bytesMax: 10 });
  expect(large.buffer.take()).toHaveLength(1);
});

test("what was settled while it waited is passed over and not counted any more", () => {
  const { buffer, batches } = filled(5, { bytesMax: 3 * SIZE });
  batches[0]?.settle(TIMED_OUT);
  batches[3]?.settle(TIMED_OUT);
  expect(buffer.take()).toEqual([batches[1], batches[2], batches[4]]);
  expect(buffer.count).toBe(0);
  const other = filled(4, { batchesMax: 3 });
  for (const batch of other.batches.slice(1)) batch.settle(TIMED_OUT);
  other.buffer.dropSettled();
  expect(other.buffer.count).toBe(1);
  expect(other.buffer.isFull).toBe(false);
});

test("a long queue gives its batches up once, however it is filled and emptied", () => {
  const { buffer } = filled(0, { batchesMax: 7 });
  let pushed = 0;
  const taken: QueuedBatch[] = [];
  const all: QueuedBatch[] = [];
  for (let round = 0; round < 200; round++) {
    for (let count = 0; count < round % 11; count++, pushed++) {
      const batch = queued("a");
      all.push(batch);
      buffer.push(batch);
    }
    taken.push(...buffer.take());
  }
  while (buffer.count > 0) taken.push(...buffer.take());
  expect(taken).toHaveLength(pushed);
  expect(taken.every((batch, index) => batch === all[index])).toBe(true);
});
