import { describe, expect, test } from "vitest";
import { SeededRandom } from "../support/seeded-random.ts";
import { Actor, checkHistory } from "./faulty-processes.ts";
import { NEVER, World } from "./support.ts";

/** `SIM_FROM=100 SIM_SEEDS=1000 npx vitest run --project simulation` tries other courses. */
const FROM = Number(process.env["SIM_FROM"] ?? 1);
const SEEDS = Array.from({ length: Number(process.env["SIM_SEEDS"] ?? 6) }, (_, index) => FROM + index);
const PROCESSES = 3;
const COMMANDS_PER_PROCESS = 500;
/** Keeps the journal larger than its snapshots, so that one is due every 256 records. */
const PADDING = new Uint8Array(100);

async function runScenario(seed: number) {
  const random = new SeededRandom(seed);
  const world = new World({ checksTrimMark: seed % 2 === 0 });
  const actors = Array.from({ length: PROCESSES }, (_, index) => new Actor(world, `p${index}`, random.fork()));
  const housekeeper = new Actor(world, "housekeeper", random.fork());
  const done = new AbortController();
  const housekeeping = housekeeper.keepHouse(done.signal);
  await world.run(Promise.all(actors.map((actor) => actor.work(COMMANDS_PER_PROCESS, () => PADDING))));
  done.abort();
  const trimmedTo = await world.run(housekeeping);
  for (const actor of [...actors, housekeeper]) actor.faults.isHealed = true;
  // What is still under way lands now.
  await world.clock.advance(200_000);
  const witness = (await world.open()).state;
  await world.run(witness.readBarrier(NEVER));
  return { world, actors, witness, trimmedTo };
}

describe("three processes over a faulty journal", () => {
  const seen = { trimmedTo: 0, kinds: new Set<string>() };

  test.each(SEEDS)("keep every promise (seed %i)", async (seed) => {
    const { world, actors, witness, trimmedTo } = await runScenario(seed);
    const kinds = actors.flatMap((actor) => [...actor.fates.values()].map((fate) => fate.kind));
    expect(kinds).toHaveLength(PROCESSES * COMMANDS_PER_PROCESS);
    seen.trimmedTo = Math.max(seen.trimmedTo, trimmedTo);
    for (const kind of kinds) seen.kinds.add(kind);
    expect(kinds.filter((kind) => kind === "acknowledged").length).toBeGreaterThan(kinds.length / 5);
    checkHistory(witness.state.history, actors);
    for (const actor of actors) {
      const state = await world.run(actor.state());
      await world.run(state.readBarrier(NEVER));
      expect(state.checksum, `seed ${seed}`).toBe(witness.checksum);
      expect(state.state).toEqual(witness.state);
    }
  });

  test("trim and leave outcomes unknown somewhere in these seeds", () => {
    expect(seen.trimmedTo).toBeGreaterThan(0);
    expect([...seen.kinds].sort()).toEqual(["acknowledged", "refused", "unknown"]);
  });

  test("take the same course for the same seed", async () => {
    const trace = async () => {
      const { world, actors, witness } = await runScenario(FROM);
      const fates = actors.map((actor) => [...actor.fates].map(([name, fate]) => `${name} ${fate.kind}`));
      return { checksum: witness.checksum, seq: witness.seq, endMs: world.clock.monotonicMs(), fates };
    };
    expect(await trace()).toEqual(await trace());
  });
});
