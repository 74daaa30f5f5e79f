import type { StoreId } from "#lib/util/branded.ts";
import type { QueuedBatch } from "./append-request.ts";
import { copiesNeeded, inSyncCount, storesOf } from "./commit-rule.ts";
import type { LogJournal } from "./log-journals.ts";
import { partitionKey } from "./log-state.ts";
import { journalOfPartition, type TopicPlacement } from "./partition-directory.ts";

/** What a flush brings to one partition. */
export interface FlushPart {
  /** The newest view among its batches. */
  topic: TopicPlacement;
  readonly partitionIndex: number;
  /** In the order of their arrival. */
  readonly batches: QueuedBatch[];
  byteLength: number;
}

/** What a flush brings to one lane: one command. */
export interface FlushGroup {
  readonly journalNumber: number;
  readonly journal: LogJournal;
  /** The replica set, ascending: with the journal it makes the lane. */
  readonly stores: readonly StoreId[];
  /** By topic and partition. */
  parts: FlushPart[];
}

/** The groups of one replica set: they share an object. */
export interface FlushSegment {
  readonly stores: readonly StoreId[];
  readonly groups: FlushGroup[];
}

export function laneOf(stores: readonly StoreId[]): string {
  return stores.join(",");
}

export interface FlushPlan {
  readonly segments: readonly FlushSegment[];
  /** Batches of acks=all that the fold would refuse for want of replicas: nothing of them is written. */
  readonly unmet: readonly QueuedBatch[];
}

export interface PlanOptions {
  /** Of journals whose replicas are placed. */
  readonly journalOf: (journalNumber: number) => LogJournal;
  /** Inlined flushes do not depend on stores. */
  readonly isInlined: boolean;
}

/** Sorts batches by replica set, journal, topic and partition; those of one partition keep their order. */
export function planFlush(batches: readonly QueuedBatch[], options: PlanOptions): FlushPlan {
  const groups = new Map<string, FlushGroup>();
  const targets = new Map<string, FlushTarget>();
  const unmet: QueuedBatch[] = [];
  for (const batch of batches) {
    const { topic, partitionIndex } = batch.append;
    const key = partitionKey(topic.topicId, partitionIndex);
    let target = targets.get(key);
    if (target === undefined) {
      target = newTarget({ topic, partitionIndex, batches: [], byteLength: 0 }, groups, options);
      targets.set(key, target);
    }
    const { part, isMinInsyncMet } = target;
    if (batch.request.options.requireMinInsync && !isMinInsyncMet) {
      unmet.push(batch);
      continue;
    }
    if (topic.clusterSeq > part.topic.clusterSeq) part.topic = topic;
    if (part.batches.length === 0) target.group.parts.push(part);
    part.batches.push(batch);
    part.byteLength += batch.byteLength;
  }
  const used = [...groups.values()].filter((group) => group.parts.length > 0);
  for (const group of used) group.parts.sort(byTopicAndPartition);
  return { segments: segmentsOf(used.sort((a, b) => a.journalNumber - b.journalNumber)), unmet };
}

interface FlushTarget {
  readonly part: FlushPart;
  readonly group: FlushGroup;
  readonly isMinInsyncMet: boolean;
}

function newTarget(part: FlushPart, groups: Map<string, FlushGroup>, options: PlanOptions): FlushTarget {
  const group = groupOf(part, groups, options.journalOf);
  const inSync = inSyncCount(group.journal.state, group.stores);
  return { part, group, isMinInsyncMet: options.isInlined || inSync >= part.topic.minInsyncReplicas };
}

function groupOf(
  part: FlushPart,
  groups: Map<string, FlushGroup>,
  journalOf: (journalNumber: number) => LogJournal,
): FlushGroup {
  const journalNumber = journalOfPartition(part.topic, part.partitionIndex);
  const journal = journalOf(journalNumber);
  const stores = [...storesOf(journal.state, part.topic)].sort((a, b) => a - b);
  const key = `${journalNumber}:${laneOf(stores)}`;
  let group = groups.get(key);
  if (group === undefined) {
    group = { journalNumber, journal, stores, parts: [] };
    groups.set(key, group);
  }
  return group;
}

function byTopicAndPartition(a: FlushPart, b: FlushPart): number {
  if (a.topic.topicId !== b.topic.topicId) return a.topic.topicId < b.topic.topicId ? -1 : 1;
  return a.partitionIndex - b.partitionIndex;
}

function segmentsOf(groups: readonly FlushGroup[]): readonly FlushSegment[] {
  const segments = new Map<string, FlushSegment>();
  for (const group of groups) {
    const key = laneOf(group.stores);
    const segment = segments.get(key);
    if (segment === undefined) segments.set(key, { stores: group.stores, groups: [group] });
    else segment.groups.push(group);
  }
  return [...segments.values()];
}

/**
 * How many stores must have the segment before its commands are worth proposing. Never more than are in sync: what
 * needs more is for the fold to refuse, and must not keep batches of acks=1 waiting for a store that is gone.
 */
export function copiesToWaitFor(segment: FlushSegment): number {
  let needed = 1;
  for (const { journal, parts, stores } of segment.groups) {
    const inSync = inSyncCount(journal.state, stores);
    for (const { topic, batches } of parts) {
      const rule = copiesNeeded(journal.state, topic);
      const isAll = batches.some((batch) => batch.request.options.requireMinInsync);
      needed = Math.max(needed, Math.min(inSync, isAll ? rule.withMinInsync : rule.withoutMinInsync));
    }
  }
  return needed;
}
