import type { GroupJournals } from "#lib/coordinator/group-journals.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { journalsOfTopic, partitionsInJournal, type TopicPlacement } from "#lib/log/partition-directory.ts";
import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { TOPIC_EFFECTS_AT_ONCE_MAX } from "#lib/util/limits.ts";

// What a change of a topic means for the log journals that hold its partitions, and for the groups that read it. Each effect may be repeated by anyone,
// at any time: the folds know what is new.

const LANE = "topics";

/** Takes a topic that has been marked for deletion since `deletingSince` out of every log journal it may be in. */
export async function dropTopic(
  journals: LogJournals,
  topic: TopicPlacement,
  at: { readonly deletingSince: JournalSeq; readonly signal: AbortSignal },
): Promise<void> {
  await inEachJournal(topic, async (journalNumber) => {
    const journal = await journals.journal(journalNumber, at.signal);
    // Also where the local fold does not know the topic: somebody may have opened it there a moment ago, or be about to.
    const command = { kind: "drop", topicId: topic.topicId, clusterSeq: at.deletingSince } as const;
    await journal.propose(command, { lane: LANE, signal: at.signal });
  });
}

/** Takes the offsets that groups have committed for the topic out of every group journal. */
export async function dropOffsets(
  journals: GroupJournals,
  topicId: TopicId,
  at: { readonly deletingSince: JournalSeq; readonly signal: AbortSignal },
): Promise<void> {
  const journalNumbers = Array.from({ length: journals.count }, (_, index) => index);
  await mapInChunks(journalNumbers, TOPIC_EFFECTS_AT_ONCE_MAX, async (journalNumber) => {
    const journal = await journals.journal(journalNumber, at.signal);
    // Also where nobody has committed any: whoever still thinks that the topic is there is refused from now on.
    const command = { kind: "drop-topic", topicId, clusterSeq: at.deletingSince } as const;
    await journal.propose(command, { lane: LANE, signal: at.signal });
  });
}

/** Brings the partitions that are open anywhere up to the topic's settings. Those that are not yet get them when opened. */
export async function updateOpenPartitions(
  journals: LogJournals,
  topic: TopicPlacement,
  signal: AbortSignal,
): Promise<void> {
  const { topicId, replicationFactor, minInsyncReplicas, clusterSeq } = topic;
  await inEachJournal(topic, async (journalNumber) => {
    const journal = await journals.journal(journalNumber, signal);
    const partitionIndexes = partitionsInJournal(topic, journalNumber).filter((index) => {
      const open = journal.state.partitions.get(partitionKey(topicId, index));
      return open !== undefined && open.minInsyncReplicas !== minInsyncReplicas && open.openedSeq < clusterSeq;
    });
    if (partitionIndexes.length === 0) return;
    // Refused if the topic is dropped meanwhile, and then there is nothing left to update.
    await journal.propose(
      { kind: "open", topicId, partitionIndexes, replicationFactor, minInsyncReplicas, clusterSeq },
      { lane: LANE, signal },
    );
  });
}

async function inEachJournal(topic: TopicPlacement, effect: (journalNumber: number) => Promise<void>): Promise<void> {
  await mapInChunks(journalsOfTopic(topic), TOPIC_EFFECTS_AT_ONCE_MAX, effect);
}
