import type { WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { defined } from "#lib/util/assert.ts";
import { SeededRandom } from "../support/seeded-random.ts";

// What goes wrong in each round: drawn from the seed alone, so that a run can be told again.

/**
 * `both`: a broker is killed while a store is away, be it at home there or not. `all`: all brokers are. `worker`: a worker
 * is run by hand; `halfway`: and killed; `pair`: two at once, of which one is killed; `outage`: one while a store is away.
 */
export const FAULT_KINDS = ["broker", "store", "both", "all", "worker", "halfway", "pair", "outage"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** `millrace run NAME --now`, in a process of its own. */
export interface WorkerFault {
  readonly name: WorkerName;
  /** SIGKILL, counted from its start; undefined: it comes to its end. */
  readonly killAfterMs: number | undefined;
}

export interface Fault {
  readonly kind: FaultKind;
  /** Killed by SIGKILL, all at once. */
  readonly brokerIds: readonly number[];
  /** Away and then back with all that it had; undefined if none is. */
  readonly storeId: number | undefined;
  /** Started at the same time. */
  readonly workers: readonly WorkerFault[];
  /** At least so long; never back before writes go on without it. */
  readonly awayMs: number;
  /** From when the cluster is whole until the next round. */
  readonly restMs: number;
}

export interface PlanSettings {
  readonly seed: number;
  readonly rounds: number;
  readonly brokers: number;
  /** 0 where no store can be made to fail. */
  readonly stores: number;
  /** Whether there are workers to be run by hand. */
  readonly hasWorkers: boolean;
}

/** Some are back before anybody has noticed, others are out of the ISR by then. */
const AWAY_MS_MIN = 300;
const AWAY_MS_MAX = 10_000;
const REST_MS_MAX = 1_500;
/** Most of it is the start of the process; a worker that has more time comes to its end, but for the compactor. */
const KILL_MS_MIN = 1_200;
const KILL_MS_MAX = 5_000;
/** The one with the most to do beside a producer: a round does not wait for its end. */
const LONGEST: WorkerName = "compactor";
const LONGEST_MS = 8_000;
/** Of so many rounds each holds all kinds, in an order of its own. */
const DECK: readonly FaultKind[] = [
  ...(["broker", "store", "broker", "store", "both", "all"] as const),
  ...(["worker", "halfway", "pair", "outage"] as const),
];
/** Only where a store can fail; elsewhere brokers are killed one at a time. */
const OF_STORES: readonly FaultKind[] = ["store", "both", "all", "outage"];
const OF_WORKERS: readonly FaultKind[] = ["worker", "halfway", "pair", "outage"];
/** Which they are, each in its turn: those oftener that have the most to do. */
const WORKERS: readonly WorkerName[] = [
  ...(["compactor", "garbage", "cleaner"] as const),
  ...(["compactor", "garbage", "replicator", "retention"] as const),
];

export function planOf({ seed, rounds, brokers, stores, hasWorkers }: PlanSettings): readonly Fault[] {
  const random = new SeededRandom(seed);
  const isPossible = (kind: FaultKind) =>
    (stores > 0 || !OF_STORES.includes(kind)) && (hasWorkers || !OF_WORKERS.includes(kind));
  const kinds = new Deck<FaultKind>(DECK.filter(isPossible), random);
  const names = new Deck(WORKERS, random);
  const ids = Array.from({ length: brokers }, (_, id) => id);
  return Array.from({ length: rounds }, () => {
    const victim = random.below(brokers);
    const kind = kinds.draw();
    return {
      kind,
      brokerIds: kind === "all" ? ids : ["broker", "both"].includes(kind) ? [victim] : [],
      storeId: ["store", "both", "outage"].includes(kind) ? random.below(stores) : undefined,
      workers: workersOf(kind, names, random),
      awayMs: AWAY_MS_MIN + random.below(AWAY_MS_MAX - AWAY_MS_MIN),
      restMs: random.below(REST_MS_MAX),
    };
  });
}

function workersOf(kind: FaultKind, names: Deck<WorkerName>, random: SeededRandom): readonly WorkerFault[] {
  const killAfterMs = () => KILL_MS_MIN + random.below(KILL_MS_MAX - KILL_MS_MIN);
  const toTheEnd = (name: WorkerName) => ({ name, killAfterMs: name === LONGEST ? LONGEST_MS : undefined });
  if (kind === "worker" || kind === "outage") return [toTheEnd(names.draw())];
  if (kind === "halfway") return [{ name: names.draw(), killAfterMs: killAfterMs() }];
  if (kind === "pair") return [toTheEnd(names.draw()), { name: names.draw(), killAfterMs: killAfterMs() }];
  return [];
}

/** Draws each of its cards once, then all of them again in another order. */
class Deck<T> {
  readonly #cards: readonly T[];
  readonly #random: SeededRandom;
  #left: T[] = [];

  constructor(cards: readonly T[], random: SeededRandom) {
    this.#cards = cards;
    this.#random = random;
  }

  draw(): T {
    if (this.#left.length === 0) this.#left = [...this.#cards];
    return defined(this.#left.splice(this.#random.below(this.#left.length), 1)[0]);
  }
}

export function describeFault({ brokerIds, storeId, workers, awayMs }: Fault): string {
  const store = storeId === undefined ? [] : [`store ${storeId} away for ${formatMs(awayMs)}`];
  const killed =
    brokerIds.length === 0 ? [] : [`${brokerIds.length === 1 ? "broker" : "brokers"} ${brokerIds.join(", ")} killed`];
  const run = workers.map(({ name, killAfterMs }) =>
    killAfterMs === undefined ? `${name} run` : `${name} run and killed after ${formatMs(killAfterMs)}`,
  );
  return [...store, ...killed, ...run].join(", ");
}

const formatMs = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
