import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { add, counterMachine } from "../support/counter-machine.ts";
import { inLane, JOURNAL, NEVER } from "./support.ts";

const clock = new SystemClock();

test("two processes race on one SQLite file, and a third restores what they did", async () => {
  const directory = await mkdtemp(join(tmpdir(), "journal-"));
  const path = join(directory, "journals.db");
  const objects = new MemoryJournalObjects();
  const open = async () => {
    const journal = await SqliteJournal.open({ path, clock });
    const options = { id: JOURNAL, machine: counterMachine(), journal, objects, clock, random: new SystemRandom() };
    const state = new ReplicatedState({ ...options, logger: SILENT_LOGGER });
    await state.open(NEVER);
    return { state, journal };
  };
  const processes = await Promise.all([open(), open()]);
  const values = await Promise.all(
    processes.map(async ({ state }) => {
      const seen: number[] = [];
      for (let count = 0; count < 150; count++) {
        const { outcome } = await state.propose(add("a"), inLane("x"));
        seen.push(outcome.value);
      }
      await state.takeSnapshot(NEVER);
      return seen;
    }),
  );
  expect(values.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  const witness = await open();
  for (const { state } of processes) {
    await state.readBarrier(NEVER);
    expect(state.checksum).toBe(witness.state.checksum);
  }
  await Promise.all([...processes, witness].map(({ journal }) => journal.close()));
  await rm(directory, { recursive: true });
});
