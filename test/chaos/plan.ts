import { SeededRandom } from "../support/seeded-random.ts";

// What goes wrong in each round: drawn from the seed alone, so that a run can be told again.

/** `both`: a broker is killed while a store is away, be it at home there or not. `all`: all brokers are. */
export const FAULT_KINDS = ["broker", "store", "both", "all"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Killed by SIGKILL, all at once. */
  readonly brokerIds: readonly number[];
  /** Away and then back with all that it had; undefined if none is. */
  readonly storeId: number | undefined;
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
}

/** Some are back before anybody has noticed, others are out of the ISR by then. */
const AWAY_MS_MIN = 300;
const AWAY_MS_MAX = 10_000;
const REST_MS_MAX = 1_500;
/** Of so many rounds each holds all kinds, in an order of its own. */
const DECK: readonly FaultKind[] = ["broker", "store", "broker", "store", "both", "broker", "store", "all"];

export function planOf({ seed, rounds, brokers, stores }: PlanSettings): readonly Fault[] {
  const random = new SeededRandom(seed);
  const faults: Fault[] = [];
  let deck: FaultKind[] = [];
  while (faults.length < rounds) {
    if (deck.length === 0) deck = stores === 0 ? ["broker"] : [...DECK];
    const ids = Array.from({ length: brokers }, (_, id) => id);
    const victim = random.below(brokers);
    const [kind = "broker"] = deck.splice(random.below(deck.length), 1);
    faults.push({
      kind,
      brokerIds: { broker: [victim], store: [], both: [victim], all: ids }[kind],
      storeId: kind === "store" || kind === "both" ? random.below(stores) : undefined,
      awayMs: AWAY_MS_MIN + random.below(AWAY_MS_MAX - AWAY_MS_MIN),
      restMs: random.below(REST_MS_MAX),
    });
  }
  return faults;
}

export function describeFault({ brokerIds, storeId, awayMs }: Fault): string {
  const store = storeId === undefined ? [] : [`store ${storeId} away for ${(awayMs / 1_000).toFixed(1)} s`];
  const [first, ...others] = brokerIds;
  if (first === undefined) return store.join();
  const brokers = others.length === 0 ? `broker ${first}` : `brokers ${brokerIds.join(", ")}`;
  return [...store, `${brokers} killed`].join(", ");
}
