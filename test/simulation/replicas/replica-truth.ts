import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { storesOf } from "#lib/log/commit-rule.ts";
import type { ElectCommand, LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import type { LeaderState, LogState } from "#lib/log/log-state.ts";
import type { BrokerId, JournalId, JournalSeq, StoreId, TimestampMs } from "#lib/util/branded.ts";
import type { Scheduler } from "../scheduler.ts";
import type { StoreWorld } from "../sim-object-store.ts";

/** What a log journal says of its leader and its stores. */
export interface LeadState {
  readonly leader: LeaderState;
  readonly isr: readonly StoreId[];
  readonly isrEpoch: number;
}

/** A command that has just been folded. */
export interface Folded<Command, Outcome> {
  readonly command: Command;
  readonly outcome: Outcome;
  readonly seq: JournalSeq;
  readonly proposedAtMs: TimestampMs;
}

/** How brokers expect to hear of each other in a world. */
export interface SessionTimes {
  readonly sessionMs: number;
  readonly heartbeatMs: number;
}

interface Outage {
  readonly fromMs: number;
  toMs: number | undefined;
}

/** Referenced objects this old must stand in a store that comes into the ISR: the lag that is allowed, and time to propose. */
const SETTLED_MS = (30 + 15) * 1_000;
/** What a store loses while somebody looks at it may be missed. */
const LOOK_MS_MAX = 2 * 60 * 1_000;

/** A command may be sent again when its answer was lost. */
const REFUSALS_MAX = 5;

/** What must hold of brokers, leaders and ISRs at each record that concerns them. */
export class ReplicaTruth {
  readonly #scheduler: Scheduler;
  readonly #stores: readonly StoreWorld[];
  readonly #problems: string[];
  readonly #times: SessionTimes;
  /** Which brokers ran with which epochs, from a record of the cluster journal on. */
  readonly #views: { readonly seq: JournalSeq; readonly epochs: ReadonlyMap<BrokerId, JournalSeq> }[] = [];
  readonly #recordMs = new Map<JournalSeq, number>();
  readonly #outages: Outage[] = [];
  readonly #electedMs = new Map<JournalId, number>();
  readonly #refusals = new Map<string, number>();
  #clusterSeq: JournalSeq = 0;
  /** When a process last came to again that had stood still. */
  lastThawMs = Number.NEGATIVE_INFINITY;

  constructor(
    scheduler: Scheduler,
    parts: {
      readonly stores: readonly StoreWorld[];
      readonly problems: string[];
      readonly times: SessionTimes;
    },
  ) {
    this.#scheduler = scheduler;
    this.#stores = parts.stores;
    this.#problems = parts.problems;
    this.#times = parts.times;
  }

  /** The journal service answers nobody, or does again. */
  noteJournal(isAway: boolean): void {
    const nowMs = this.#scheduler.elapsedMs;
    const last = this.#outages.at(-1);
    if (last !== undefined) last.toMs ??= nowMs;
    if (isAway) this.#outages.push({ fromMs: nowMs, toMs: undefined });
  }

  /** When a journal last had an election; undefined: never. */
  electedMs(journal: JournalId): number | undefined {
    return this.#electedMs.get(journal);
  }

  noteCluster(
    { command, outcome, seq }: Folded<ClusterCommand, ClusterOutcome>,
    wasRunning: boolean,
    state: ClusterState,
  ): void {
    this.#clusterSeq = seq;
    if (this.#recordMs.get(seq) === undefined) this.#recordMs.set(seq, this.#scheduler.elapsedMs);
    if (!("brokerId" in command)) return;
    if (command.kind !== "broker-heartbeat") {
      this.#scheduler.trace(`${command.kind} ${command.brokerId}: ${JSON.stringify(outcome)}`);
    }
    const running = [...state.brokers.values()].filter(({ status }) => status === "running");
    this.#views.push({ seq, epochs: new Map(running.map(({ brokerId, brokerEpoch }) => [brokerId, brokerEpoch])) });
    if (command.kind === "fence-broker" && outcome.kind === "done" && wasRunning) {
      this.#checkFence(command.brokerId, command.seenSeq);
    }
  }

  noteLog(
    journal: JournalId,
    { command, outcome, proposedAtMs }: Folded<LogCommand, LogOutcome>,
    before: LeadState,
    state: LogState,
  ): void {
    const { leader } = state;
    if (command.kind === "elect" && outcome.kind === "refused") this.#checkVanity(journal, command);
    if (command.kind === "elect" || command.kind === "alter-isr") {
      this.#scheduler.trace(`${journal} ${JSON.stringify(command)}: ${JSON.stringify(outcome)}`);
    }
    if (leader !== before.leader) {
      const isElected = command.kind === "elect" && outcome.kind === "done";
      const isNext =
        isElected && command.expectedEpoch === before.leader.epoch && leader.epoch === before.leader.epoch + 1;
      if (!isNext) this.#complain("checkLeaders", `${journal}: epoch ${before.leader.epoch} became ${leader.epoch}`);
      this.#checkView(journal, before.leader, leader);
      this.#electedMs.set(journal, this.#scheduler.elapsedMs);
    }
    if (state.isr !== before.isr) this.#checkIsr(journal, { command, proposedAtMs }, before, state);
  }

  /** Who is refused looks again before it tries again. */
  #checkVanity(journal: JournalId, { brokerId, expectedEpoch, clusterSeq }: ElectCommand): void {
    const key = `${journal} for broker ${brokerId} behind epoch ${expectedEpoch} by view ${clusterSeq}`;
    const count = (this.#refusals.get(key) ?? 0) + 1;
    this.#refusals.set(key, count);
    if (count === REFUSALS_MAX) this.#complain("checkLeaders", `${key} was refused ${count} times`);
  }

  /** An election is made by a view that is no older than that of the one before, and says what that view shows. */
  #checkView(journal: JournalId, before: LeaderState, { brokerId, brokerEpoch, clusterSeq, epoch }: LeaderState): void {
    if (clusterSeq < before.clusterSeq) {
      const views = `${clusterSeq}, older than ${before.clusterSeq}`;
      this.#complain("checkLeaders", `${journal}: epoch ${epoch} was elected by view ${views}`);
    }
    if (clusterSeq > this.#clusterSeq) this.#complain("checkLeaders", `${journal}: a view ${clusterSeq} of the future`);
    const epochs = this.#views.findLast(({ seq }) => seq <= clusterSeq)?.epochs ?? new Map();
    const isShown = brokerId === -1 ? epochs.size === 0 : epochs.get(brokerId) === brokerEpoch;
    if (!isShown) {
      const who = `broker ${brokerId} of epoch ${brokerEpoch}`;
      this.#complain("checkLeaders", `${journal}: ${who} did not run in view ${clusterSeq} that elected it`);
    }
  }

  #checkIsr(
    journal: JournalId,
    { command, proposedAtMs }: Pick<Folded<LogCommand, LogOutcome>, "command" | "proposedAtMs">,
    before: LeadState,
    state: LogState,
  ): void {
    const isPlaced = command.kind === "place-replicas" && before.isr.length === 0;
    const isAltered = command.kind === "alter-isr" && command.expectedIsrEpoch === before.isrEpoch;
    if (!isPlaced && !isAltered && command.kind !== "add-replicas")
      this.#complain("checkIsr", `${journal}: changed by ${command.kind}`);
    if (state.isr.length === 0) this.#complain("checkIsr", `${journal}: no store is in sync`);
    if (state.isr.some((id) => !state.replicas.includes(id))) this.#complain("checkIsr", `${journal}: a foreign store`);
    if (!isAltered) return;
    for (const id of state.isr)
      if (!before.isr.includes(id)) this.#checkWhole(journal, { storeId: id, proposedAtMs }, state);
  }

  /** Who comes into the ISR has all that is referenced, but for what is so new that it may be under way. */
  #checkWhole(
    journal: JournalId,
    { storeId, proposedAtMs }: { readonly storeId: StoreId; readonly proposedAtMs: TimestampMs },
    state: LogState,
  ): void {
    const store = this.#stores.find(({ id }) => id === storeId);
    const nowMs = this.#scheduler.elapsedMs;
    for (const partition of state.partitions.values()) {
      if (store === undefined || !storesOf(state, partition).includes(storeId)) continue;
      for (const { place, appendedAtMs, baseOffset } of partition.entries) {
        if (place.kind !== "object" || proposedAtMs - appendedAtMs < SETTLED_MS) continue;
        // What nobody has holds nobody back.
        const isLost = !this.#stores.some(({ service }) => service.objects.has(place.key));
        if (isLost || store.service.objects.has(place.key)) continue;
        const lostMs = store.lost.get(place.key) ?? Number.NEGATIVE_INFINITY;
        if (nowMs - lostMs < LOOK_MS_MAX || this.lastThawMs >= lostMs) continue;
        this.#complain("checkIsr", `${journal}: store ${storeId} came in without ${place.key} at ${baseOffset}`);
        return;
      }
    }
  }

  /** Time in which the journal was away is no time of silence. */
  #checkFence(brokerId: BrokerId, seenSeq: JournalSeq): void {
    const { sessionMs, heartbeatMs } = this.#times;
    const nowMs = this.#scheduler.elapsedMs;
    const seenMs = this.#recordMs.get(seenSeq) ?? 0;
    let silentMs = nowMs - seenMs;
    for (const { fromMs, toMs = nowMs } of this.#outages) {
      const awayMs = Math.min(toMs, nowMs) - Math.max(fromMs, seenMs);
      // Short gaps between two looks count as time in which one looked.
      if (awayMs > 3 * heartbeatMs) silentMs -= awayMs;
    }
    if (silentMs < sessionMs - 2 * heartbeatMs) {
      this.#complain("checkFences", `broker ${brokerId} was fenced after ${silentMs} ms in which it could be heard`);
    }
  }

  #complain(check: string, problem: string): void {
    this.#problems.push(`${check}: ${problem}`);
  }
}
