import { expect, test } from "vitest";
import { JournalHousekeeper, type TendedJournal } from "#lib/housekeeping/journal-housekeeper.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { journalId } from "#lib/util/branded.ts";
import {
  BUSY_JOURNALS_PERIOD_MS,
  HOUSEKEEPING_PERIOD_MS,
  IDLE_JOURNAL_TENDED_MS,
  SNAPSHOT_RECORDS_MIN,
} from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/** A journal that notes what is done to it. */
function tended(name: string, done: string[], failure?: Error): TendedJournal {
  return {
    id: journalId(name),
    seq: 0,
    async catchUp() {
      done.push(`${name} read`);
    },
    async takeSnapshot() {
      if (failure !== undefined) throw failure;
      done.push(`${name} snapshot`);
    },
    async trim() {
      done.push(`${name} trim`);
    },
    close() {},
  };
}

test("a journal that fails does not keep the others from being tended", async () => {
  const done: string[] = [];
  const housekeeper = new JournalHousekeeper({ clock: new ManualClock(), logger: SILENT_LOGGER });
  housekeeper.add(tended("log-0", done, new Error("stopped")));
  housekeeper.add(tended("log-1", done));
  await housekeeper.tendAll(new AbortController().signal);
  expect(done).toEqual(["log-1 snapshot", "log-1 trim"]);
});

test("an abort ends the round", async () => {
  const done: string[] = [];
  const stop = new AbortController();
  const housekeeper = new JournalHousekeeper({ clock: new ManualClock(), logger: SILENT_LOGGER });
  housekeeper.add({
    ...tended("log-0", done),
    async takeSnapshot(signal) {
      stop.abort(new Error("the process stops"));
      signal.throwIfAborted();
    },
  });
  housekeeper.add(tended("log-1", done));
  await expect(housekeeper.tendAll(stop.signal)).rejects.toThrow("the process stops");
  expect(done).toEqual([]);
});

test("a round over moved journals leaves out the others, but for now and then", async () => {
  const done: string[] = [];
  const clock = new ManualClock();
  const housekeeper = new JournalHousekeeper({ clock, logger: SILENT_LOGGER });
  const moving = { ...tended("log-0", done), seq: 3 };
  housekeeper.add(moving);
  housekeeper.add(tended("log-1", done));
  const round = async (): Promise<readonly [number, readonly string[]]> => {
    done.length = 0;
    return [await housekeeper.tendMoved(new AbortController().signal), [...done]];
  };
  const all = ["log-0 read", "log-0 snapshot", "log-0 trim", "log-1 read", "log-1 snapshot", "log-1 trim"];
  // An empty journal has nothing to be told about, but was never tended before.
  expect(await round()).toEqual([1, all]);
  expect(await round()).toEqual([0, ["log-0 read", "log-1 read"]]);
  moving.seq++;
  expect(await round()).toEqual([1, ["log-0 read", "log-0 snapshot", "log-0 trim", "log-1 read"]]);
  await clock.advance(IDLE_JOURNAL_TENDED_MS);
  expect(await round()).toEqual([0, all]);
});

test("a journal that failed is tended again although it has not moved", async () => {
  const done: string[] = [];
  const housekeeper = new JournalHousekeeper({ clock: new ManualClock(), logger: SILENT_LOGGER });
  let failure: Error | undefined = new Error("away");
  const journal = tended("log-0", done);
  housekeeper.add({
    ...journal,
    async takeSnapshot(signal) {
      if (failure !== undefined) throw failure;
      await journal.takeSnapshot(signal);
    },
  });
  await housekeeper.tendMoved(new AbortController().signal);
  failure = undefined;
  await housekeeper.tendMoved(new AbortController().signal);
  expect(done).toEqual(["log-0 read", "log-0 read", "log-0 snapshot", "log-0 trim"]);
});

test("brokers that start together tend at different times, each within the first minute and then every minute", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const times = await Promise.all(
    [1, 2, 3].map(async (seed) => {
      const done: string[] = [];
      const housekeeper = new JournalHousekeeper({ clock, logger: SILENT_LOGGER });
      const atMs: number[] = [];
      const tendedAt = { ...tended("log-0", done), takeSnapshot: async () => void atMs.push(clock.monotonicMs()) };
      housekeeper.add(tendedAt);
      void housekeeper.run(new SeededRandom(seed), stop.signal);
      return atMs;
    }),
  );
  const beganMs = clock.monotonicMs();
  await clock.advance(3 * HOUSEKEEPING_PERIOD_MS);
  stop.abort();
  const firsts = times.map(([first = Number.NaN]) => first - beganMs);
  expect(new Set(firsts).size).toBe(3);
  for (const [at, [first = 0, second = 0]] of times.entries()) {
    expect(firsts[at]).toBeLessThan(HOUSEKEEPING_PERIOD_MS);
    expect(second - first).toBe(HOUSEKEEPING_PERIOD_MS);
  }
});

test("a busy journal gets a snapshot as soon as one may be due, and the others wait for their minute", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const done: string[] = [];
  const housekeeper = new JournalHousekeeper({ clock, logger: SILENT_LOGGER });
  const busy = { ...tended("log-0", done), seq: 0 };
  housekeeper.add(busy);
  housekeeper.add({ ...tended("log-1", done), seq: SNAPSHOT_RECORDS_MIN - 1 });
  const running = housekeeper.run(new SeededRandom(1), stop.signal);
  await clock.advance(HOUSEKEEPING_PERIOD_MS);
  done.length = 0;
  busy.seq += SNAPSHOT_RECORDS_MIN;
  await clock.advance(BUSY_JOURNALS_PERIOD_MS);
  expect(done).toEqual(["log-0 snapshot"]);
  await clock.advance(2 * BUSY_JOURNALS_PERIOD_MS);
  expect(done).toEqual(["log-0 snapshot"]);
  stop.abort();
  await running;
});

test("a busy journal that fails is tried again, and does not keep the others from their snapshots", async () => {
  const done: string[] = [];
  const housekeeper = new JournalHousekeeper({ clock: new ManualClock(), logger: SILENT_LOGGER });
  housekeeper.add({ ...tended("log-0", done, new Error("away")), seq: SNAPSHOT_RECORDS_MIN });
  housekeeper.add({ ...tended("log-1", done), seq: SNAPSHOT_RECORDS_MIN });
  await housekeeper.tendBusy(new AbortController().signal);
  expect(done).toEqual(["log-1 snapshot"]);
});
