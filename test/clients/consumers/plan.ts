// What happens to the consumers, and when: drawn from the seed alone, so that a run can be told again.

export type Client = "kafkajs" | "kcat" | "kcat-cooperative" | "java" | "platformatic";

/** Consumers of one group: what its protocol is, and which clients take part. */
export interface Cast {
  readonly name: string;
  readonly protocol: string;
  /** Evenly many consumers use each of them. */
  readonly clients: readonly Client[];
}

export const CASTS: readonly Cast[] = [
  { name: "eager", protocol: "classic, range", clients: ["kafkajs", "kcat"] },
  { name: "cooperative", protocol: "classic, cooperative-sticky", clients: ["kcat-cooperative"] },
  { name: "consumer", protocol: "KIP-848", clients: ["java", "platformatic"] },
];

/**
 * kcat is never told to leave: it commits the record that it has taken then, and does not print it (FINDINGS.md).
 */
const CAN_LEAVE: Readonly<Record<Client, boolean>> = {
  kafkajs: true,
  kcat: false,
  "kcat-cooperative": false,
  java: true,
  platformatic: true,
};

/** `leave` is SIGTERM, on which a client leaves its group; `kill` is SIGKILL, which the group learns by a time-out. */
export type ChangeKind = "join" | "leave" | "kill";

export interface Change {
  /** From the moment in which all ten share the partitions. */
  readonly atMs: number;
  readonly kind: ChangeKind;
  /** Which of the consumers; the process in it is a new one after each join. */
  readonly slot: number;
}

export const CONSUMERS = 10;
const CONSUMERS_MIN = 3;
// A killed member holds up its group for a session time-out of six seconds: more kills would leave no time to deliver.
const STEP_MS_MIN = 1_000;
const STEP_MS_MAX = 3_000;
const KILL_SHARE = 0.1;

export const clientOf = ({ clients }: Cast, slot: number): Client => clients[slot % clients.length] ?? "kcat";

/** mulberry32: a small generator of numbers below 1, the same for the same seed everywhere. */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** All ten join first; then one joins, leaves or is killed every two seconds or so, and never fewer than three are left. */
export function planOf(cast: Cast, seed: number, durationMs: number): readonly Change[] {
  const draw = numbersFrom(seed);
  const pick = (slots: readonly number[]): number => slots[Math.floor(draw() * slots.length)] ?? 0;
  const changes: Change[] = Array.from({ length: CONSUMERS }, (_, slot) => ({ atMs: 0, kind: "join", slot }));
  const running = new Set(changes.map(({ slot }) => slot));
  const step = (): number => STEP_MS_MIN + Math.floor(draw() * (STEP_MS_MAX - STEP_MS_MIN));
  for (let atMs = step(); atMs < durationMs; atMs += step()) {
    const idle = Array.from({ length: CONSUMERS }, (_, slot) => slot).filter((slot) => !running.has(slot));
    const joins = running.size <= CONSUMERS_MIN || (idle.length > 0 && draw() < 0.5);
    if (joins) {
      const slot = pick(idle);
      running.add(slot);
      changes.push({ atMs, kind: "join", slot });
      continue;
    }
    const slot = pick([...running]);
    running.delete(slot);
    const isKilled = draw() < KILL_SHARE || !CAN_LEAVE[clientOf(cast, slot)];
    changes.push({ atMs, kind: isKilled ? "kill" : "leave", slot });
  }
  return changes;
}
