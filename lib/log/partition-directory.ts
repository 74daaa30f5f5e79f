import type { JournalSeq, TopicId } from "#lib/util/branded.ts";

/** What the log needs to know of a topic. The cluster journal's state provides it (lib/cluster). */
export interface TopicPlacement {
  readonly topicId: TopicId;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  /** Partition i lives in log journal (baseJournal + i) mod journalCount. */
  readonly baseJournal: number;
  readonly journalCount: number;
  /** The cluster journal's number of the view that says so. */
  readonly clusterSeq: JournalSeq;
}

export interface PartitionDirectory {
  /** The topic by this process's view of the cluster journal; undefined if unknown there or marked for deletion. */
  find(topicId: TopicId): TopicPlacement | undefined;
  /** Brings the view up to a strong read that began after this call (J8). */
  refresh(signal: AbortSignal): Promise<void>;
}

export function journalOfPartition(topic: TopicPlacement, partitionIndex: number): number {
  return (topic.baseJournal + partitionIndex) % topic.journalCount;
}

/** The log journals that hold partitions of `topic`: consecutive partitions live in consecutive ones. */
export function journalsOfTopic(topic: TopicPlacement): readonly number[] {
  const count = Math.min(topic.partitionCount, topic.journalCount);
  return Array.from({ length: count }, (_, index) => journalOfPartition(topic, index));
}

/** The partitions of `topic` that live in log journal `journal`, ascending. */
export function partitionsInJournal(topic: TopicPlacement, journal: number): readonly number[] {
  const first = (((journal - topic.baseJournal) % topic.journalCount) + topic.journalCount) % topic.journalCount;
  const found: number[] = [];
  for (let index = first; index < topic.partitionCount; index += topic.journalCount) found.push(index);
  return found;
}
