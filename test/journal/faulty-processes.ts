import { expect } from "vitest";
import type { JournalCall, JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { add, type CounterCommand } from "../support/counter-machine.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { CounterJournal, World } from "./support.ts";
import { inLane, NEVER } from "./support.ts";

const HOUR_MS = 3_600_000;

export type Fate =
  | { readonly kind: "acknowledged"; readonly place: string }
  | { readonly kind: "unknown" }
  | { readonly kind: "refused" };

/** Everything that may go wrong does so now and then, until the plan is healed. */
export class RandomFaults implements JournalFaultPlan {
  readonly #random: SeededRandom;
  isHealed = false;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  next(call: JournalCall): JournalFault | undefined {
    if (this.isHealed) return undefined;
    const random = this.#random;
    const draw = random.below(1_000);
    if (draw < 30) return { kind: "lost-answer" };
    if (draw < 60) return { kind: "failure" };
    if (draw < 80) return { kind: "throttle" };
    if (draw < 100) return { kind: "late-effect", afterMs: random.below(90_000) };
    if (draw < 120) return { kind: "late-effect-after-calls", calls: random.below(30) };
    if (draw < 140 && call.method === "read") return { kind: "stale", recordsHidden: 1 + random.below(5) };
    if (draw < 143) return { kind: "freeze", ms: random.below(40_000) };
    if (draw < 144) return { kind: "freeze", ms: random.below(60 * HOUR_MS) };
    if (draw < 147) return { kind: "death", hasEffect: random.below(2) === 0 };
    return draw < 600 ? { kind: "slow", ms: random.below(200) } : undefined;
  }
}

/** One process after another under the same name: when one dies the next opens the journal anew. */
export class Actor {
  readonly world: World;
  readonly random: SeededRandom;
  readonly faults: RandomFaults;
  readonly fates = new Map<string, Fate>();
  readonly #name: string;
  #journal: MemoryJournal;
  #state: CounterJournal;

  constructor(world: World, name: string, random: SeededRandom) {
    this.world = world;
    this.random = random;
    this.#name = name;
    this.faults = new RandomFaults(random.fork());
    this.#journal = world.service.connect(this.faults);
    this.#state = world.process({ journal: this.#journal });
  }

  async state(): Promise<CounterJournal> {
    for (;;) {
      if (this.#journal.isDead) {
        this.#state.close();
        this.#journal = this.world.service.connect(this.faults);
        this.#state = this.world.process({ journal: this.#journal });
      }
      try {
        await this.#state.open(NEVER);
        return this.#state;
      } catch (error) {
        expect(error).toMatchObject({ kind: "unavailable" });
        await this.world.clock.sleep(1_000);
      }
    }
  }

  /** Proposes `commands` commands, each as large as `paddingOf` draws. */
  async work(commands: number, paddingOf: (random: SeededRandom) => Uint8Array<ArrayBuffer>): Promise<void> {
    const pending: Promise<void>[] = [];
    for (let count = 0; count < commands; count++) {
      const lane = this.random.below(2);
      const command = add(`${this.#name}/${lane}/${count}`, 1, paddingOf(this.random));
      pending.push(this.#propose(await this.state(), command, lane));
      if (this.random.chance(0.3)) await this.world.clock.sleep(this.random.below(20_000));
      if (this.random.chance(0.01)) await this.world.clock.sleep(this.random.below(12 * HOUR_MS));
      if (this.random.chance(0.05)) await this.#try((state) => state.readBarrier(NEVER));
      if (this.random.chance(0.05)) await this.#try((state) => state.catchUp(NEVER));
      if (this.random.chance(0.2)) await Promise.all(pending.splice(0));
    }
    await Promise.all(pending);
  }

  /** Tends the journal until `signal` aborts, and calls `collect` in between; answers how far it was trimmed. */
  async keepHouse(signal: AbortSignal, collect?: (journal: MemoryJournal) => Promise<unknown>): Promise<number> {
    let trimmedTo = 0;
    while (!signal.aborted) {
      await this.world.clock.sleep(1 + this.random.below(HOUR_MS));
      await this.#try((state) => state.takeSnapshot(NEVER));
      await this.#try(async (state) => {
        trimmedTo = Math.max(trimmedTo, await state.trim(NEVER));
      });
      if (collect !== undefined) await this.#try(() => collect(this.#journal));
      await this.#try((state) => state.readBarrier(NEVER));
    }
    return trimmedTo;
  }

  async #propose(state: CounterJournal, command: CounterCommand, lane: number): Promise<void> {
    const { name } = command;
    const controller = new AbortController();
    const patienceMs = this.random.chance(0.1) ? this.random.below(300) : 120_000;
    const timer = this.world.clock.schedule(patienceMs, () => controller.abort(new Error("impatient")));
    try {
      const { seq, indexInRecord } = await state.propose(command, inLane(`${lane}`, controller.signal));
      this.fates.set(name, { kind: "acknowledged", place: `${name}@${seq}.${indexInRecord}` });
    } catch (error) {
      this.fates.set(name, { kind: error instanceof UnknownOutcomeError ? "unknown" : "refused" });
    } finally {
      timer.cancel();
    }
  }

  async #try(work: (state: CounterJournal) => Promise<unknown>): Promise<void> {
    const state = await this.state();
    try {
      await work(state);
    } catch (error) {
      if (!this.#journal.isDead) expect(error).toMatchObject({ kind: "unavailable" });
    }
  }
}

/** Whatever was acknowledged stands once, what was refused not at all, and lanes keep their order. */
export function checkHistory(history: readonly string[], actors: readonly Actor[]): void {
  const placesOf = new Map<string, string[]>();
  for (const place of history) {
    const name = place.slice(0, place.indexOf("@"));
    placesOf.set(name, [...(placesOf.get(name) ?? []), place]);
  }
  const order = new Map(history.map((place, index) => [place, index]));
  for (const actor of actors) {
    const lastInLane = new Map<string, number>();
    for (const [name, fate] of [...actor.fates].sort(byNumber)) {
      const places = placesOf.get(name) ?? [];
      if (fate.kind === "acknowledged") expect(places).toEqual([fate.place]);
      if (fate.kind === "unknown") expect(places.length, `${name} is unknown`).toBeLessThanOrEqual(1);
      if (fate.kind === "refused") expect(places, `${name} was refused`).toEqual([]);
      const at = order.get(places[0] ?? "");
      if (at === undefined) continue;
      const lane = name.split("/").slice(0, 2).join("/");
      expect(at).toBeGreaterThan(lastInLane.get(lane) ?? -1);
      lastInLane.set(lane, at);
    }
  }
}

function byNumber([a]: readonly [string, Fate], [b]: readonly [string, Fate]): number {
  return Number(a.split("/")[2]) - Number(b.split("/")[2]);
}
