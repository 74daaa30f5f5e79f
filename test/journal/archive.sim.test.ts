import { describe, expect, test } from "vitest";
import type { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { JournalObjectsGarbage } from "#lib/housekeeping/journal-objects-garbage.ts";
import { objectsOf } from "#lib/journal/snapshot-shelf.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoredObjectsWorld } from "../housekeeping/stored-objects-world.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { Actor, checkHistory } from "./faulty-processes.ts";
import { JOURNAL, NEVER } from "./support.ts";

/** `SIM_FROM=100 SIM_SEEDS=1000 npx vitest run --project simulation` tries other courses. */
const FROM = Number(process.env["SIM_FROM"] ?? 1);
const SEEDS = Array.from({ length: Number(process.env["SIM_SEEDS"] ?? 3) }, (_, index) => FROM + index);
const COMMANDS_PER_PROCESS = 350;
/** Some 35 records are a mebibyte, so each snapshot is followed by several archives; the largest go to objects. */
const PADDING = new Uint8Array(300_000);

function paddingOf(random: SeededRandom): Uint8Array<ArrayBuffer> {
  return random.chance(0.02) ? PADDING : PADDING.subarray(0, 30_000);
}

function collectorOf(world: StoredObjectsWorld, random: SeededRandom) {
  return async (journal: MemoryJournal): Promise<number> => {
    const options = { journal, stores: world.stores, journalIds: () => [JOURNAL], clock: world.clock };
    const garbage = new JournalObjectsGarbage({ ...options, random: random.fork(), logger: SILENT_LOGGER });
    return await garbage.runOnce({ isForced: random.chance(0.5), signal: NEVER });
  };
}

async function runScenario(seed: number) {
  const random = new SeededRandom(seed);
  const world = new StoredObjectsWorld({ checksTrimMark: seed % 2 === 0 });
  const actors = [0, 1].map((index) => new Actor(world, `p${index}`, random.fork()));
  const housekeepers = [0, 1].map((index) => new Actor(world, `housekeeper${index}`, random.fork()));
  const done = new AbortController();
  const housekeeping = housekeepers.map((each) => each.keepHouse(done.signal, collectorOf(world, random.fork())));
  await world.run(Promise.all(actors.map((actor) => actor.work(COMMANDS_PER_PROCESS, paddingOf))));
  done.abort();
  const trimmedTo = Math.max(...(await world.run(Promise.all(housekeeping))));
  for (const actor of [...actors, ...housekeepers]) actor.faults.isHealed = true;
  // What is still under way lands now.
  await world.clock.advance(200_000);
  const witness = await world.start();
  await world.run(witness.readBarrier(NEVER));
  return { world, actors, witness, trimmedTo };
}

/** What is no pointer's, and no pointer can come to make its own, is gone when nothing fails any more. */
async function checkGarbage(world: StoredObjectsWorld): Promise<void> {
  const options = { journal: world.service.connect(), stores: world.stores, clock: world.clock };
  const random = new SeededRandom(1);
  const garbage = new JournalObjectsGarbage({ ...options, random, journalIds: () => [JOURNAL], logger: SILENT_LOGGER });
  await world.run(garbage.runOnce({ isForced: true, signal: NEVER }));
  const named = new Set(
    world
      .pointers()
      .flatMap(objectsOf)
      .map(({ key }) => key),
  );
  const newestSeq = world.pointers().at(-1)?.seq ?? 0;
  for (const service of world.services) {
    const left = service.sortedKeys().filter((key) => !key.includes("/commands/") && !named.has(key));
    for (const key of left) expect(Number(key.split("/")[4]), key).toBeGreaterThan(newestSeq);
  }
}

describe("processes with a large state over a faulty journal", () => {
  const seen = { trimmedTo: 0, chunks: 0, deleted: 0 };

  test.each(SEEDS)("find archives and commands that they need, and no others stay (seed %i)", async (seed) => {
    const { world, actors, witness, trimmedTo } = await runScenario(seed);
    checkHistory(witness.state.history, actors);
    for (const actor of actors) {
      const state = await world.run(actor.state());
      await world.run(state.readBarrier(NEVER));
      expect(state.checksum, `seed ${seed}`).toBe(witness.checksum);
    }
    await checkGarbage(world);
    const whole = await world.start();
    expect(whole.checksum).toBe(witness.checksum);
    seen.trimmedTo = Math.max(seen.trimmedTo, trimmedTo);
    seen.chunks = Math.max(seen.chunks, ...world.pointers().map(({ chunks }) => chunks.length));
  });

  test("archive and trim somewhere in these seeds", () => {
    expect(seen.trimmedTo).toBeGreaterThan(0);
    expect(seen.chunks).toBeGreaterThan(1);
  });
});
