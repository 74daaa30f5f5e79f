import type { GroupJournal, GroupJournals } from "#lib/coordinator/group-journals.ts";
import type { GroupState } from "#lib/coordinator/group-state.ts";
import { expiredOffsets, isForgettable } from "#lib/coordinator/offset-retention.ts";
import { subscribedTopics } from "#lib/coordinator/shell/subscribed-topics.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { EXPIRED_OFFSETS_PER_COMMAND_MAX } from "#lib/util/limits.ts";
import { runPeriodically } from "./periodic-task.ts";

/** What the expirer needs to know of the cluster (`ClusterView` has it). */
export interface ExpirerCluster {
  brokerInteger(name: string): number;
  topic(topicId: TopicId): { readonly name: string } | undefined;
}

export interface OffsetExpirerOptions {
  readonly journals: GroupJournals;
  readonly cluster: ExpirerCluster;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LANE = "expiry";
const MINUTE_MS = 60_000;

/** Forgets offsets that nobody has needed for `offsets.retention.minutes`, and groups of which nothing is left. */
export class OffsetExpirer {
  readonly #options: OffsetExpirerOptions;

  constructor(options: OffsetExpirerOptions) {
    this.#options = options;
  }

  /** Looks every `offsets.retention.check.interval.ms` until `signal` aborts; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const { cluster, clock, logger } = this.#options;
    const periodMs = cluster.brokerInteger("offsets.retention.check.interval.ms");
    const work = async (): Promise<void> => {
      await this.expireAll(signal);
    };
    await runPeriodically({ name: "offsets", periodMs, work }, { clock, logger, signal });
  }

  /** One journal after the other; one that fails is left for the next time. Answers how many offsets are forgotten. */
  async expireAll(signal: AbortSignal): Promise<number> {
    const { journals, logger } = this.#options;
    let count = 0;
    for (let journalNumber = 0; journalNumber < journals.count; journalNumber++) {
      try {
        count += await this.#expireIn(await journals.journal(journalNumber, signal), signal);
      } catch (error) {
        signal.throwIfAborted();
        logger.warn("offsets are not expired", { journal: journalNumber, error: describeError(error) });
      }
    }
    return count;
  }

  async #expireIn(journal: GroupJournal, signal: AbortSignal): Promise<number> {
    // An old view costs nothing but commands in vain: each names what was seen.
    await journal.catchUp(signal);
    let count = 0;
    for (const group of [...journal.state.groups.values()]) count += await this.#expireOf(group, journal, signal);
    return count;
  }

  async #expireOf(group: GroupState, journal: GroupJournal, signal: AbortSignal): Promise<number> {
    const { cluster, logger } = this.#options;
    const { groupId, changedSeq } = group;
    const subscribed = subscribedTopics(group);
    const expired = expiredOffsets(group, {
      nowMs: journal.nowMs(),
      retentionMs: cluster.brokerInteger("offsets.retention.minutes") * MINUTE_MS,
      isSubscribed: (topicId) => subscribed.has(cluster.topic(topicId)?.name ?? ""),
    });
    if (expired.length === 0 && !isForgettable(group)) return 0;
    for (let from = 0; from === 0 || from < expired.length; from += EXPIRED_OFFSETS_PER_COMMAND_MAX) {
      const partitions = expired.slice(from, from + EXPIRED_OFFSETS_PER_COMMAND_MAX);
      const command = { kind: "expire-offsets", groupId, changedSeq, partitions } as const;
      const { outcome } = await journal.propose(command, { lane: LANE, signal });
      if (outcome.kind !== "done") return from;
    }
    logger.debug("a group's offsets are forgotten", { group: groupId, count: expired.length });
    return expired.length;
  }
}
