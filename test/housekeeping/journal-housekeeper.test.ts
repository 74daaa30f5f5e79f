import { expect, test } from "vitest";
import { JournalHousekeeper, type TendedJournal } from "#lib/housekeeping/journal-housekeeper.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { journalId } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A journal that notes what is done to it. */
function tended(name: string, done: string[], failure?: Error): TendedJournal {
  return {
    id: journalId(name),
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
