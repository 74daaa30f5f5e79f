import { SHORT_SESSION_MS } from "../support/short-sessions.ts";
import type { CommitPoll, Delivery, History, Member } from "./history.ts";

// What must hold of a history. Each check answers its findings, a line each; none is good.

/** What reaches the parent by two pipes may be written down in another order. */
const TOLERANCE_MS = 100;
/** The session of who was killed, a rebalance that waits for one more who was, and what the work itself takes. */
export const OWNERLESS_MS_MAX = 2 * SHORT_SESSION_MS + 3_000;

/** One member's time with one partition, from an assignment to the next. */
export interface Tenure {
  readonly member: string;
  readonly partition: number;
  readonly fromMs: number;
  /** When it gave the partition back or was gone, or was assigned anew. */
  toMs: number;
  readonly deliveries: Delivery[];
}

export function tenuresOf({ members, endedAtMs }: History): readonly Tenure[] {
  return members.flatMap((member) => memberTenures(member, endedAtMs));
}

function memberTenures({ name, events, endedAtMs }: Member, runEndedAtMs: number): readonly Tenure[] {
  const tenures: Tenure[] = [];
  let current = new Map<number, Tenure>();
  const begin = (partition: number, fromMs: number): Tenure => {
    const tenure = { member: name, partition, fromMs, toMs: endedAtMs ?? runEndedAtMs, deliveries: [] };
    tenures.push(tenure);
    current.set(partition, tenure);
    return tenure;
  };
  for (const event of events) {
    if (event.kind === "ownership") {
      for (const tenure of current.values()) tenure.toMs = Math.min(tenure.toMs, event.atMs);
      current = new Map();
      for (const partition of event.partitions) begin(partition, event.atMs);
    } else {
      // A delivery without an assignment stands for itself: it makes nobody an owner.
      const owned = current.get(event.partition);
      const tenure = owned ?? begin(event.partition, event.atMs);
      tenure.deliveries.push(event);
      if (owned !== undefined) continue;
      tenure.toMs = event.atMs;
      current.delete(event.partition);
    }
  }
  return tenures;
}

export function checkNothingLost({ members, logEnds }: History, produced: number): readonly string[] {
  const findings: string[] = [];
  const stored = logEnds.reduce((sum, end) => sum + end, 0);
  if (stored !== produced) findings.push(`${produced} records acknowledged, ${stored} in the log`);
  const deliveries = members.flatMap(({ events }) => events.filter((event) => event.kind === "delivery"));
  const astray = deliveries.find(({ isWhole }) => !isWhole);
  if (astray !== undefined) findings.push(`${tell(astray)} is not what was sent`);
  for (const [partition, end] of logEnds.entries()) {
    const seen = new Uint8Array(end);
    for (const each of deliveries) if (each.partition === partition) seen.fill(1, each.first, each.last + 1);
    const lost = seen.indexOf(0);
    if (lost >= 0) findings.push(`partition ${partition}: offset ${lost} of ${end} was delivered to nobody`);
  }
  return findings;
}

/**
 * Two members whose times of delivering from one partition overlap. Who was silent for a session time-out was frozen
 * and expelled: what it still delivers on waking no broker can hinder.
 */
export function checkOneOwner(history: History): readonly string[] {
  const findings: string[] = [];
  for (const tenures of byPartition(tenuresOf(history))) {
    const delivering = tenures.filter(({ deliveries }) => deliveries.length > 0);
    const sorted = delivering.toSorted((one, other) => startMs(one) - startMs(other));
    for (const [i, tenure] of sorted.entries()) {
      const last = tenure.deliveries.at(-1);
      if (last === undefined) continue;
      for (const other of sorted.slice(i + 1)) {
        const otherStartMs = startMs(other);
        if (otherStartMs >= last.atMs - TOLERANCE_MS) break;
        const before = tenure.deliveries.findLast(({ atMs }) => atMs <= otherStartMs);
        const wasFrozen = before !== undefined && otherStartMs - before.atMs >= SHORT_SESSION_MS;
        if (other.member === tenure.member || wasFrozen) continue;
        findings.push(`${other.deliveries.slice(0, 1).map(tell).join("")} while ${tell(last)}`);
      }
    }
  }
  return findings;
}

/** Within a tenure offset follows offset; it begins at no offset that nobody has had, and not before what was committed. */
export function checkNothingSkipped(history: History): readonly string[] {
  const findings: string[] = [];
  for (const tenures of byPartition(tenuresOf(history))) {
    let reached = 0;
    for (const { partition, fromMs, deliveries } of tenures.toSorted((a, b) => startMs(a) - startMs(b))) {
      const first = deliveries[0];
      if (first === undefined) continue;
      if (first.first > reached) findings.push(`${tell(first)}, but only ${reached} had been reached`);
      const committed = committedAt(history.polls, partition, fromMs);
      if (first.first < committed) findings.push(`${tell(first)}, but ${committed} was committed`);
      for (const [i, each] of deliveries.entries()) {
        const before = deliveries[i - 1];
        if (before !== undefined && each.first !== before.last + 1)
          findings.push(`${tell(each)} after ${tell(before)}`);
        reached = Math.max(reached, each.last + 1);
      }
    }
  }
  return findings;
}

const startMs = (tenure: Tenure): number => tenure.deliveries[0]?.atMs ?? tenure.fromMs;

/** The newest committed offset that was told before that moment. */
function committedAt(polls: readonly CommitPoll[], partition: number, atMs: number): number {
  return polls.findLast(({ answeredAtMs }) => answeredAtMs < atMs - TOLERANCE_MS)?.offsets[partition] ?? -1;
}

export function checkCommits({ polls, logEnds }: History): readonly string[] {
  const findings: string[] = [];
  for (const partition of logEnds.keys()) {
    let reached = -1;
    for (const { offsets } of polls) {
      const offset = offsets[partition] ?? -1;
      if (offset < reached) findings.push(`partition ${partition}: committed ${reached}, then ${offset}`);
      reached = offset;
    }
  }
  return findings;
}

export interface Gap {
  readonly partition: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** When a partition had no owner, from its first owner on. */
export function gapsOf(history: History): readonly Gap[] {
  return byPartition(tenuresOf(history)).flatMap((tenures) => {
    const gaps: Gap[] = [];
    let ownedUntilMs: number | undefined;
    for (const { partition, fromMs, toMs } of tenures.toSorted((one, other) => one.fromMs - other.fromMs)) {
      if (ownedUntilMs !== undefined && fromMs > ownedUntilMs)
        gaps.push({ partition, fromMs: ownedUntilMs, toMs: fromMs });
      ownedUntilMs = Math.max(ownedUntilMs ?? 0, toMs);
    }
    const partition = tenures[0]?.partition;
    if (partition !== undefined && ownedUntilMs !== undefined && ownedUntilMs < history.endedAtMs)
      gaps.push({ partition, fromMs: ownedUntilMs, toMs: history.endedAtMs });
    return gaps;
  });
}

/** A kill may come while a partition waits for its next owner, who may be the one that was killed: time counts anew. */
export function checkOwnersReturn(history: History): readonly string[] {
  const kills = history.members.flatMap(({ ending, endedAtMs }) => (ending === "killed" ? [endedAtMs ?? 0] : []));
  return gapsOf(history).flatMap(({ partition, fromMs, toMs }) => {
    let dueMs = fromMs + OWNERLESS_MS_MAX;
    for (const atMs of kills.toSorted((one, other) => one - other)) {
      if (atMs > fromMs && atMs < dueMs) dueMs = atMs + OWNERLESS_MS_MAX;
    }
    return toMs > dueMs ? [`partition ${partition}: no owner for ${Math.round(toMs - fromMs)} ms`] : [];
  });
}

/** Records that were delivered again. */
export function redeliveriesOf({ members, logEnds }: History): number {
  const records = members
    .flatMap(({ events }) => events)
    .reduce((sum, event) => sum + (event.kind === "delivery" ? event.last - event.first + 1 : 0), 0);
  return records - logEnds.reduce((sum, end) => sum + end, 0);
}

function byPartition(tenures: readonly Tenure[]): readonly (readonly Tenure[])[] {
  return [...Map.groupBy(tenures, ({ partition }) => partition).values()];
}

const tell = ({ member, partition, first, last, atMs }: Delivery): string =>
  `${member} had partition ${partition} from ${first} to ${last} at ${atMs.toFixed(0)} ms`;
