import type { GroupJournals } from "#lib/coordinator/group-journals.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { SingleFlight } from "#lib/runtime/single-flight.ts";
import { assert } from "#lib/util/assert.ts";
import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import type { TopicState } from "./cluster-state.ts";
import type { ClusterJournal } from "./cluster-state-machine.ts";
import { dropOffsets, dropTopic } from "./topic-effects.ts";

export interface TopicDeletionOptions {
  readonly journal: ClusterJournal;
  readonly logJournals: LogJournals;
  readonly groupJournals: GroupJournals;
  readonly logger: Logger;
  /** Ends what is under way when the process stops. */
  readonly signal: AbortSignal;
}

/**
 * Deleting a topic: the intent is a mark in the cluster journal, the effects are its drops in the log and group
 * journals, and the end is that its name is free. Whoever finds a mark may do the rest, several at once too.
 */
export class TopicDeletion {
  readonly #options: TopicDeletionOptions;
  readonly #finishing = new SingleFlight<TopicId, void>();

  constructor(options: TopicDeletionOptions) {
    this.#options = options;
  }

  /** Does what is left of a deletion, if one has begun. Rejects if a journal cannot be written to; the mark stays. */
  finish(topicId: TopicId, signal: AbortSignal): Promise<void> {
    const topic = this.#options.journal.state.topics.get(topicId);
    if (topic?.deletingSince === undefined) return Promise.resolve();
    const { deletingSince } = topic;
    return abortable(
      this.#finishing.run(topicId, () => this.#finish(topic, deletingSince)),
      signal,
    );
  }

  /** Finishes every deletion that has begun, one after another. Answers how many are left, because a journal failed. */
  async finishAll(signal: AbortSignal): Promise<number> {
    const marked = [...this.#options.journal.state.topics.values()].filter((each) => each.deletingSince !== undefined);
    let leftCount = 0;
    for (const { topicId, name } of marked) {
      signal.throwIfAborted();
      try {
        await this.finish(topicId, signal);
      } catch (error) {
        leftCount++;
        this.#options.logger.warn("a topic's deletion is not finished", { topic: name, error: describeError(error) });
      }
    }
    return leftCount;
  }

  async #finish(topic: TopicState, deletingSince: JournalSeq): Promise<void> {
    const { journal, logJournals, groupJournals, signal } = this.#options;
    await Promise.all([
      dropTopic(logJournals, placementOf(topic, deletingSince), { deletingSince, signal }),
      dropOffsets(groupJournals, topic.topicId, { deletingSince, signal }),
    ]);
    const { outcome } = await journal.propose(
      { kind: "forget-topic", topicId: topic.topicId },
      { lane: "topics", signal },
    );
    // Refused as unknown if somebody else has finished meanwhile.
    assert(outcome.kind === "done" || outcome.kind === "refused", "a topic is forgotten or was");
  }
}

function placementOf(topic: TopicState, clusterSeq: JournalSeq): TopicPlacement {
  const { topicId, partitionCount, replicationFactor, baseJournal, journalCount } = topic;
  return { topicId, partitionCount, replicationFactor, minInsyncReplicas: 1, baseJournal, journalCount, clusterSeq };
}
