import { expect, test } from "vitest";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { batchOf, openedLog } from "./log-fixtures.ts";

// Entries stay for long and are small: one that lies in a larger block keeps all of that. A broker that took 5 MB/s of
// small flushes once grew by 10 MB a second so.

test("what an entry keeps lies in memory of its own", () => {
  const log = openedLog();
  for (let n = 0; n < 10; n++) log.append([batchOf(), batchOf()]);
  const { entries } = log.partition();
  expect(entries).toHaveLength(10);
  for (const { batches } of entries) expect(batches.buffer.byteLength).toBe(batches.byteLength);
});

test("so does what an entry of a snapshot keeps", () => {
  const log = openedLog();
  for (let n = 0; n < 10; n++) log.append([batchOf(), batchOf()]);
  const writer = new ByteWriter();
  logStateMachine.encodeState(log.state, writer);
  const restored = logStateMachine.decodeState(new ByteReader(writer.toBytes()));
  for (const { entries } of restored.partitions.values()) {
    for (const { batches } of entries) expect(batches.buffer.byteLength).toBe(batches.byteLength);
  }
});
