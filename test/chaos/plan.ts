import { SeededRandom } from "../support/seeded-random.ts";

// What goes wrong in each round: drawn from the seed alone, so that a run can be told again.

/** `both`: a broker is killed while a store is away, be it at home there or not. */
export const FAULT_KINDS = ["broker", "store", "both"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Killed by SIGKILL; undefined if none is. */
  readonly brokerId: number | undefined;
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
const DECK: readonly FaultKind[] = ["broker", "store", "broker", "store", "both"];

export function planOf({ seed, rounds, brokers, stores }: PlanSettings): readonly Fault[] {
  const random = new SeededRandom(seed);
  const faults: Fault[] = [];
  let deck: FaultKind[] = [];
  while (faults.length < rounds) {
    if (deck.length === 0) deck = stores === 0 ? ["broker"] : [...DECK];
    const [kind = "broker"] = deck.splice(random.below(deck.length), 1);
    faults.push({
      kind,
      brokerId: kind === "store" ? undefined : random.below(brokers),
      storeId: kind === "broker" ? undefined : random.below(stores),
      awayMs: AWAY_MS_MIN + random.below(AWAY_MS_MAX - AWAY_MS_MIN),
      restMs: random.below(REST_MS_MAX),
    });
  }
  return faults;
}

export function describeFault({ brokerId, storeId, awayMs }: Fault): string {
  const store = storeId === undefined ? [] : [`store ${storeId} away for ${(awayMs / 1_000).toFixed(1)} s`];
  const broker = brokerId === undefined ? [] : [`broker ${brokerId} killed`];
  return [...store, ...broker].join(", ");
}
