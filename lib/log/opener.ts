import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import { FreshFlight, SingleFlight } from "#lib/runtime/single-flight.ts";
import type { StoreId, TopicId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { OPEN_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import type { LogJournal, LogJournals } from "./log-journals.ts";
import { type LogState, partitionKey } from "./log-state.ts";
import { LEADERS_FEATURE_LEVEL } from "./log-state-machine.ts";
import { type PartitionDirectory, partitionsInJournal, type TopicPlacement } from "./partition-directory.ts";

/** Topics are dropped faster than this process sees the cluster journal: later, perhaps. */
export class TopicUnsettledError extends LogError {
  override readonly name = "TopicUnsettledError";
  override readonly kind = "unavailable";
}

export interface OpenerOptions {
  readonly journals: LogJournals;
  readonly directory: PartitionDirectory;
  /** The deployment's stores, ascending. */
  readonly storeIds: readonly StoreId[];
  readonly clock: Clock;
  /** Ends what is under way when the process stops. */
  readonly signal: AbortSignal;
  /** For one opening or one look at the cluster journal. */
  readonly timeoutMs: number;
}

const LANE = "open";

/**
 * Sees to it that a journal has its replicas and a partition is open before anything is appended to it. Works by the
 * local fold; only what is missing there costs a command.
 */
export class Opener {
  readonly #options: OpenerOptions;
  readonly #placing = new SingleFlight<number, LogJournal>();
  readonly #openings = new SingleFlight<string, boolean>();
  readonly #refresh: FreshFlight<void>;

  constructor(options: OpenerOptions) {
    this.#options = options;
    this.#refresh = new FreshFlight(() => this.#limited((signal) => options.directory.refresh(signal)));
  }

  /** The journal if appends may be proposed to it at once. */
  placed(journalNumber: number): LogJournal | undefined {
    const { journals, storeIds } = this.#options;
    const journal = journals.opened(journalNumber);
    return journal !== undefined && journal.state.replicas.length >= storeIds.length ? journal : undefined;
  }

  /** The journal, opened and with all stores as its replicas. */
  place(journalNumber: number): Promise<LogJournal> {
    return this.#placing.run(journalNumber, () => this.#limited((signal) => this.#place(journalNumber, signal)));
  }

  /**
   * Opens the partitions of `topic` that live in the journal, or brings their settings up to date. Answers false if the
   * topic is gone, by a view of the cluster journal that is newer than this call.
   */
  open(journal: LogJournal, journalNumber: number, topic: TopicPlacement, signal: AbortSignal): Promise<boolean> {
    // The view's number too: a newer view may name more partitions.
    const key = `${journalNumber}:${topic.topicId}:${topic.clusterSeq}`;
    const opening = this.#openings.run(key, () =>
      this.#limited((own) => this.#open(journal, journalNumber, topic, own)),
    );
    return abortable(opening, signal);
  }

  /** Why the fold says that a partition is not open: asks the cluster journal. */
  async explainNotOpen(topicId: TopicId, partitionIndex: number, signal: AbortSignal): Promise<ErrorCode> {
    await abortable(this.#refresh.run(), signal);
    const topic = this.#options.directory.find(topicId);
    if (topic === undefined || partitionIndex >= topic.partitionCount) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    // It lives, so the client may come again; then it is opened first, and the order within its partition is kept.
    return ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  async #place(journalNumber: number, signal: AbortSignal): Promise<LogJournal> {
    const { journals, storeIds } = this.#options;
    const journal = await journals.journal(journalNumber, signal);
    const replicas = replicasOfJournal(journalNumber, storeIds);
    if (journal.state.replicas.length === 0) {
      // Refused if somebody placed others meanwhile: those are folded by now.
      await journal.propose({ kind: "place-replicas", replicas }, { lane: LANE, signal });
    }
    const { state } = journal;
    if (replicas.every((store) => state.replicas.includes(store))) return journal;
    await journal.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, signal);
    await journal.propose({ kind: "add-replicas", replicas }, { lane: LANE, signal });
    return journal;
  }

  async #open(
    journal: LogJournal,
    journalNumber: number,
    first: TopicPlacement,
    signal: AbortSignal,
  ): Promise<boolean> {
    let topic = first;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      const { topicId, replicationFactor, minInsyncReplicas, clusterSeq } = topic;
      const partitionIndexes = partitionsInJournal(topic, journalNumber);
      const committed = await journal.propose(
        { kind: "open", topicId, partitionIndexes, replicationFactor, minInsyncReplicas, clusterSeq },
        { lane: LANE, signal },
      );
      if (committed.outcome.kind === "done") return true;
      // Our view is older than some topic's drop, of this one or of another.
      await this.#refresh.run();
      const found = this.#options.directory.find(topicId);
      if (found === undefined) return false;
      topic = found;
    }
    throw new TopicUnsettledError(`topic ${first.topicId} cannot be opened in ${journal.id} for now`);
  }

  async #limited<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using limit = timeLimit(this.#options.clock, this.#options.timeoutMs, this.#options.signal);
    return await work(limit.signal);
  }
}

/** Replica j of journal i is at store (i + j) mod n. */
export function replicasOfJournal(journalNumber: number, storeIds: readonly StoreId[]): readonly StoreId[] {
  const first = journalNumber % storeIds.length;
  return [...storeIds.slice(first), ...storeIds.slice(0, first)];
}

/** Whether the local fold must hear of the topic before a batch of that partition is appended. */
export function needsOpening(state: LogState, topic: TopicPlacement, partitionIndex: number): boolean {
  const partition = state.partitions.get(partitionKey(topic.topicId, partitionIndex));
  if (partition === undefined) return true;
  const hasSettings =
    partition.replicationFactor === topic.replicationFactor && partition.minInsyncReplicas === topic.minInsyncReplicas;
  return !hasSettings && topic.clusterSeq > partition.openedSeq;
}
