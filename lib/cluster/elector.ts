import type { ElectCommand, LogCommand } from "#lib/log/log-command.ts";
import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import { LEADERS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";
import { ELECTION_MS_MAX } from "#lib/util/limits.ts";
import { brokerTimes } from "./broker-times.ts";
import type { ClusterJournal } from "./cluster-state-machine.ts";
import type { ClusterView } from "./cluster-view.ts";
import { desiredLeader, isFitToLead, type RunningBroker, replicasOf } from "./leader-election.ts";

export interface ElectorOptions {
  readonly brokerId: BrokerId;
  readonly cluster: ClusterView;
  readonly clusterJournal: ClusterJournal;
  readonly journals: LogJournals;
  /** The deployment's stores, ascending. */
  readonly storeIds: readonly StoreId[];
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Whether a store fails as seen from here. A broker that cannot reach the store at its home would take that out of the
   * ISR, others would bring it back, and so on: it leaves a journal to a leader that is fit.
   */
  readonly isStoreSuspect?: (id: StoreId) => boolean;
}

type Leader = Pick<ElectCommand, "brokerId" | "brokerEpoch">;
/** A journal that is to have another leader. */
interface Candidacy {
  readonly journalNumber: number;
  readonly journal: LogJournal;
  readonly leader: Leader;
}

const LANE = "elections";
/** What can call for an election when it is done. */
const JOURNAL_CHANGES: ReadonlySet<string> = new Set<LogCommand["kind"]>([
  "elect",
  "alter-isr",
  "place-replicas",
  "add-replicas",
]);
const NOBODY: Leader = { brokerId: -1, brokerEpoch: 0 };

/**
 * Elects this broker leader of the log journals that it is to lead by what everybody sees (`desiredLeader`). Two brokers
 * may see different things for a while: the journal's leader epoch lets one through, and the newer view wins in the end.
 */
export class Elector {
  readonly #options: ElectorOptions;
  /** Journals with an election of ours under way. */
  readonly #electing = new Set<number>();
  /** When the last one began of each journal, by the monotonic clock. */
  readonly #electedAtMs = new Map<number, number>();
  #isWoken = false;
  /** Which brokers ran, and in which starts, when somebody looked last. */
  #runningKey = "";
  /** When that was, by the monotonic clock. */
  #changedAtMs = Number.NEGATIVE_INFINITY;
  /** Since when this broker has reached no store, or has given away what it led, by the monotonic clock. */
  #cutOffSinceMs: number | undefined;

  constructor(options: ElectorOptions) {
    this.#options = options;
  }

  /** Elects whenever a change of the brokers or of a journal calls for it, until `signal` aborts. */
  follow(signal: AbortSignal): void {
    const { clusterJournal, journals } = this.#options;
    const wake = () => this.#wake(signal);
    this.#haveBrokersChanged();
    const stops = [
      clusterJournal.onFold(() => {
        if (this.#haveBrokersChanged()) wake();
      }),
      clusterJournal.onReload(wake),
      journals.onFold((_, { kind }, outcome) => {
        // What was refused has changed nothing.
        if (JOURNAL_CHANGES.has(kind) && outcome.kind === "done") wake();
      }),
      journals.onReload(wake),
    ];
    const stop = () => {
      for (const each of stops) each();
    };
    signal.addEventListener("abort", stop, { once: true });
  }

  /**
   * Elects what the last elections have left over. Others change leaders and ISR: while other brokers run it looks at
   * journals that nobody here has looked at for as long as heartbeats take, and at each one after the last of them has gone.
   */
  async tick(signal: AbortSignal): Promise<void> {
    const { cluster, clock, brokerId, journals } = this.#options;
    const isAlone = cluster.runningBrokers().every((each) => each.brokerId === brokerId);
    const periodicMs = isAlone ? Number.NEGATIVE_INFINITY : clock.monotonicMs() - brokerTimes(cluster).heartbeatMs;
    const oldestMs = Math.max(this.#changedAtMs, periodicMs);
    for (const journal of journals.allOpened()) {
      // Nobody waits: what it shows is acted upon when it is folded. One that cannot be looked at stays as it is known.
      if (journal.asOfMs < oldestMs) void journal.catchUp(signal).catch(() => undefined);
    }
    await Promise.all([this.elect(signal), this.#giveAway(signal)]);
  }

  /** Elects this broker wherever it is to lead and another one is named. Never rejects. */
  async elect(signal: AbortSignal): Promise<void> {
    const { brokerId } = this.#options;
    const candidacies = this.#opened().flatMap(({ journalNumber, journal }) => {
      const desired = this.#desired(journalNumber, journal);
      if (desired?.brokerId !== brokerId || journal.state.leader.brokerId === brokerId) return [];
      if (this.#isCutOff(desired) && this.#isWellLed(journalNumber, journal)) return [];
      return [{ journalNumber, journal, leader: desired }];
    });
    await this.#electAll(candidacies, signal);
  }

  /**
   * A broker that has reached no store for as long as sessions last is as good as dead to its clients: it elects those who
   * would lead without it. Rarely, for they may fare no better.
   */
  async #giveAway(signal: AbortSignal): Promise<void> {
    const { brokerId, cluster, storeIds, isStoreSuspect, clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    // Where there is one store only, nobody has another way to it, and nobody looks whether it is back.
    const isCutOff = storeIds.length > 1 && storeIds.every((id) => isStoreSuspect?.(id) === true);
    if (!isCutOff) {
      this.#cutOffSinceMs = undefined;
      return;
    }
    this.#cutOffSinceMs ??= nowMs;
    if (nowMs - this.#cutOffSinceMs < brokerTimes(cluster).sessionMs) return;
    this.#cutOffSinceMs = nowMs;
    const others = cluster.runningBrokers().filter((each) => each.brokerId !== brokerId);
    const candidacies = this.#opened().flatMap(({ journalNumber, journal }) => {
      if (journal.state.leader.brokerId !== brokerId) return [];
      const replicas = replicasOf(journal.state, journalNumber, storeIds);
      const leader = desiredLeader(replicas, journalNumber, others);
      if (leader === undefined || !isFitToLead(leader.brokerId, replicas, others)) return [];
      return [{ journalNumber, journal, leader }];
    });
    if (candidacies.length === 0) return;
    logger.warn("this broker reaches no store: others are to lead", { journals: candidacies.length });
    await this.#electAll(candidacies, signal);
  }

  /**
   * Where no broker runs and one is still named, nobody leads from now on: the epoch rises, and the first store in sync
   * stands for the leader. Never rejects.
   */
  async electNobody(signal: AbortSignal): Promise<void> {
    if (this.#options.cluster.runningBrokers().length > 0) return;
    const led = this.#opened().filter(({ journal }) => journal.state.leader.brokerId !== NOBODY.brokerId);
    await this.#electAll(
      led.map((each) => ({ ...each, leader: NOBODY })),
      signal,
    );
  }

  /** Whether every journal here is led by whoever is to lead it, by the views of this process. */
  isSettled(): boolean {
    return this.#opened().every(({ journalNumber, journal }) => {
      const desired = this.#desired(journalNumber, journal);
      return desired === undefined || desired.brokerId === journal.state.leader.brokerId;
    });
  }

  /**
   * Gives journals to their desired leaders by newest views, whoever they are. Answers for each number, in Kafka's words:
   * NONE, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE where the first store has no broker or is not in sync,
   * ELIGIBLE_LEADERS_NOT_AVAILABLE where no broker runs. Rejects as proposals and reads do.
   */
  async electNow(journalNumbers: Iterable<number>, signal: AbortSignal): Promise<ReadonlyMap<number, ErrorCode>> {
    const { cluster, journals } = this.#options;
    await cluster.refresh(signal);
    const results = [...new Set(journalNumbers)].map(async (journalNumber) => {
      const journal = await journals.journal(journalNumber, signal);
      await journal.readBarrier(signal);
      return [journalNumber, await this.#electPreferred(journalNumber, journal, signal)] as const;
    });
    return new Map(await Promise.all(results));
  }

  async #electPreferred(journalNumber: number, journal: LogJournal, signal: AbortSignal): Promise<ErrorCode> {
    const { cluster, storeIds } = this.#options;
    const running = cluster.runningBrokers();
    const { replicas, isr } = replicasOf(journal.state, journalNumber, storeIds);
    const preferred = desiredLeader({ replicas, isr }, journalNumber, running);
    if (preferred === undefined) return ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE;
    const isAtFirst = preferred.storeId === replicas[0];
    if (preferred.brokerId === journal.state.leader.brokerId) {
      return isAtFirst ? ErrorCode.ELECTION_NOT_NEEDED : ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE;
    }
    const isLed = isFitToLead(journal.state.leader.brokerId, { replicas, isr }, running);
    if (isLed && !isAtFirst) return ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE;
    // Another election may come first; then this one is refused, and its own elector has seen what we have.
    return (await this.#propose({ journalNumber, journal, leader: preferred }, signal))
      ? ErrorCode.NONE
      : ErrorCode.ELECTION_NOT_NEEDED;
  }

  #isCutOff({ storeId }: RunningBroker): boolean {
    return this.#options.isStoreSuspect?.(storeId) === true;
  }

  #isWellLed(journalNumber: number, { state }: LogJournal): boolean {
    const { cluster, storeIds } = this.#options;
    return isFitToLead(state.leader.brokerId, replicasOf(state, journalNumber, storeIds), cluster.runningBrokers());
  }

  /** Undefined if nobody is to take over. */
  #desired(journalNumber: number, { state }: LogJournal): RunningBroker | undefined {
    const { cluster, storeIds } = this.#options;
    const running = cluster.runningBrokers();
    const replicas = replicasOf(state, journalNumber, storeIds);
    const stays = !cluster.brokerFlag("auto.leader.rebalance.enable");
    if (stays && isFitToLead(state.leader.brokerId, replicas, running)) return undefined;
    return desiredLeader(replicas, journalNumber, running);
  }

  /**
   * All in one turn, for appends of one turn may share a transaction. A journal that was up a moment ago waits for the next
   * tick: brokers that do not agree must not depose each other as fast as they can.
   */
  async #electAll(candidacies: readonly Candidacy[], signal: AbortSignal): Promise<void> {
    const recentMs = this.#options.clock.monotonicMs() - brokerTimes(this.#options.cluster).lookMs;
    const free = candidacies.filter(
      ({ journalNumber }) =>
        !this.#electing.has(journalNumber) && (this.#electedAtMs.get(journalNumber) ?? -Infinity) <= recentMs,
    );
    if (free.length === 0) return;
    using limit = timeLimit(this.#options.clock, ELECTION_MS_MAX, signal);
    // The first election of a journal is no news: somebody has to be named.
    const areNews = free.some(({ journal }) => journal.state.leader.epoch > 0);
    const won = await Promise.all(free.map((each) => this.#tryToElect(each, limit.signal)));
    const elected = free.filter((_, at) => won[at]);
    for (const leader of new Set(elected.map((each) => each.leader.brokerId))) {
      const journals = elected.filter((each) => each.leader.brokerId === leader).map(({ journal }) => journal.id);
      const fields = { leader, journals: journals.join(",") };
      if (areNews) this.#options.logger.info("elected", fields);
      else this.#options.logger.debug("elected", fields);
    }
  }

  async #tryToElect(candidacy: Candidacy, signal: AbortSignal): Promise<boolean> {
    const { journalNumber, journal } = candidacy;
    this.#electing.add(journalNumber);
    this.#electedAtMs.set(journalNumber, this.#options.clock.monotonicMs());
    try {
      return await this.#propose(candidacy, signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#options.logger.warn("an election failed; it is tried again", {
          journal: journal.id,
          error: describeError(error),
        });
      }
      return false;
    } finally {
      this.#electing.delete(journalNumber);
    }
  }

  async #propose({ journal, leader }: Candidacy, signal: AbortSignal): Promise<boolean> {
    // Before anything is awaited: what is seen while the level rises is not what was decided on.
    const { brokerId, brokerEpoch } = leader;
    const command = {
      kind: "elect",
      expectedEpoch: journal.state.leader.epoch,
      brokerId,
      brokerEpoch,
      clusterSeq: this.#options.clusterJournal.seq,
    } as const;
    await journal.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, signal);
    const { outcome } = await journal.propose(command, { lane: LANE, signal });
    if (outcome.kind === "done") return true;
    // Somebody has seen more of the brokers than we have.
    const isOldView = outcome.kind === "refused" && outcome.error === ErrorCode.STALE_BROKER_EPOCH;
    if (isOldView) await this.#options.cluster.refresh(signal);
    return false;
  }

  /** A fold may be one of many of the same turn: all of them are looked at together. */
  #wake(signal: AbortSignal): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    void this.#options.clock.endOfTurn().then(() => {
      this.#isWoken = false;
      return signal.aborted ? undefined : this.elect(signal);
    });
  }

  #haveBrokersChanged(): boolean {
    const running = this.#options.cluster.runningBrokers();
    const key = running.map(({ brokerId, brokerEpoch }) => `${brokerId}:${brokerEpoch}`).join();
    if (key === this.#runningKey) return false;
    this.#runningKey = key;
    this.#changedAtMs = this.#options.clock.monotonicMs();
    return true;
  }

  #opened(): readonly Omit<Candidacy, "leader">[] {
    const { journals } = this.#options;
    return Array.from({ length: journals.count }, (_, journalNumber) => ({
      journalNumber,
      journal: journals.opened(journalNumber),
    })).flatMap(({ journalNumber, journal }) => (journal === undefined ? [] : [{ journalNumber, journal }]));
  }
}
