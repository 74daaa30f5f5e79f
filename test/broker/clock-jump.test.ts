import { expect, test } from "vitest";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import type { WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { eventually } from "../serve/eventually.ts";
import { batchOf, createTopic, produce, readAll } from "../serve/kafka-calls.ts";
import { TemporaryDirectory } from "../serve/serve-process.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";

// On one machine the journal's clock is the host's, so nobody tells us that it jumps.

const DAY_MS = 86_400_000;
/** Too large to be inlined. */
const PADDING = "x".repeat(20_000);

/** The host's clock, and how far somebody has put it forward or back. */
class JumpingClock extends SystemClock {
  aheadMs = 0;

  override nowMs(): TimestampMs {
    return super.nowMs() + this.aheadMs;
  }
}

async function jumping() {
  const directory = new TemporaryDirectory();
  const clock = new JumpingClock();
  const journal = await SqliteJournal.open({ path: directory.file("journal.sqlite"), clock });
  const objects = new MemoryObjectService(clock);
  const store = new MemoryObjectStore(objects, { clock });
  const memory = await startMemoryBroker({ clock, journal, store, brokerConfigs: { "log.retention.hours": "48" } });
  const connection = await memory.connect();
  await createTopic(connection, "t");
  const values: string[] = [];
  return {
    clock,
    connection,
    values,
    objects,
    async write(): Promise<void> {
      const value = `${values.length}${PADDING}`;
      const send = () => produce(connection, { topic: "t" }, batchOf([value]));
      // What is in doubt because of the clock is refused, and sent again as clients do.
      await eventually(send, ({ errorCode }) => errorCode === ErrorCode.NONE);
      values.push(value);
    },
    async work(...names: readonly WorkerName[]): Promise<void> {
      const { signal } = new AbortController();
      for (const name of names) while ((await memory.broker.chores.work(name, { isForced: true, signal })) > 0);
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      await memory[Symbol.asyncDispose]();
      await journal.close();
      directory[Symbol.dispose]();
    },
  };
}

test("a clock that jumps a day ahead and back costs no record that is to be kept for two, whoever works when", {
  timeout: 60_000,
}, async () => {
  await using broker = await jumping();
  const { clock, connection, values } = broker;
  const everybody: readonly WorkerName[] = ["compactor", "retention", "garbage", "expirer", "cleaner"];
  for (const aheadMs of [0, DAY_MS, 0, -DAY_MS / 48, 0, DAY_MS]) {
    clock.aheadMs = aheadMs;
    await broker.write();
    await broker.work(...everybody);
    await broker.write();
    expect(await readAll(connection, "t"), `${aheadMs} ms ahead`).toEqual(values);
  }
  await broker.work(...everybody);
  expect(await readAll(connection, "t")).toEqual(values);
  // What is garbage goes as well, though its keys were written by clocks that disagree.
  expect(broker.objects.sortedKeys().filter((key) => key.startsWith("wal/"))).toEqual([]);
});

test("a clock that jumps beyond the retention time lets records go, as on Kafka", async () => {
  await using broker = await jumping();
  await broker.write();
  broker.clock.aheadMs = 3 * DAY_MS;
  await broker.work("retention");
  await expect(readAll(broker.connection, "t")).rejects.toThrow(`${ErrorCode.OFFSET_OUT_OF_RANGE}`);
});
