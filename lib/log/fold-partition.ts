import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { findByOffset } from "./find-by-offset.ts";
import type {
  AddReplicasCommand,
  AdvanceLogStartCommand,
  DeclareLostCommand,
  DropCommand,
  LogOutcome,
  OpenCommand,
  PlaceReplicasCommand,
} from "./log-command.ts";
import { type LogState, type PartitionState, partitionKey } from "./log-state.ts";
import { loseEntry, lostSegment } from "./lost-batches.ts";
import { isLost, segmentKey } from "./segments.ts";

const DONE: LogOutcome = { kind: "done" };
const INVALID_REPLICAS: LogOutcome = { kind: "refused", error: ErrorCode.INVALID_REPLICA_ASSIGNMENT };

export function foldPlaceReplicas(state: LogState, command: PlaceReplicasCommand): LogOutcome {
  const { replicas } = command;
  if (state.replicas.length === 0) {
    if (replicas.length === 0 || !areDistinct(replicas)) return INVALID_REPLICAS;
    state.replicas = replicas;
    state.isr = replicas;
    return DONE;
  }
  const isSame = state.replicas.length === replicas.length && state.replicas.every((id, at) => id === replicas[at]);
  return isSame ? DONE : INVALID_REPLICAS;
}

export function foldAddReplicas(state: LogState, command: AddReplicasCommand): LogOutcome {
  if (state.replicas.length === 0 || !areDistinct(command.replicas)) return INVALID_REPLICAS;
  const added = command.replicas.filter((store) => !state.replicas.includes(store));
  if (added.length === 0) return DONE;
  // Nothing of what is there belongs in a store behind those that its partition has; else they have to be filled first.
  const isNothingOwed = [...state.partitions.values()].every(
    ({ replicationFactor }) => replicationFactor <= state.replicas.length,
  );
  state.replicas = [...state.replicas, ...added];
  if (isNothingOwed) {
    state.isr = [...state.isr, ...added];
    state.isrEpoch++;
  }
  return DONE;
}

function areDistinct(stores: readonly StoreId[]): boolean {
  return new Set(stores).size === stores.length;
}

export function foldOpen(state: LogState, command: OpenCommand): LogOutcome {
  // Such a view may not know of the drop, and would bring a deleted topic back.
  if (command.clusterSeq < state.lastDropSeq) return { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_ID };
  for (const partitionIndex of command.partitionIndexes) {
    const key = partitionKey(command.topicId, partitionIndex);
    const partition = state.partitions.get(key);
    if (partition === undefined) state.partitions.set(key, newPartition(command, partitionIndex));
    else if (command.clusterSeq > partition.openedSeq) takeSettings(partition, command);
  }
  return DONE;
}

function newPartition(command: OpenCommand, partitionIndex: number): PartitionState {
  return {
    topicId: command.topicId,
    partitionIndex,
    replicationFactor: command.replicationFactor,
    minInsyncReplicas: command.minInsyncReplicas,
    openedSeq: command.clusterSeq,
    logStartOffset: 0,
    logEndOffset: 0,
    maxTimestampMs: -1,
    segments: [],
    entries: [],
    producers: new Map(),
  };
}

function takeSettings(partition: PartitionState, command: OpenCommand): void {
  partition.replicationFactor = command.replicationFactor;
  partition.minInsyncReplicas = command.minInsyncReplicas;
  partition.openedSeq = command.clusterSeq;
}

export function foldDrop(state: LogState, command: DropCommand): LogOutcome {
  // Topic ids are never used twice, so a drop that comes late or again finds nothing else to take away.
  for (const [key, partition] of state.partitions) {
    if (partition.topicId === command.topicId) state.partitions.delete(key);
  }
  state.lastDropSeq = Math.max(state.lastDropSeq, command.clusterSeq);
  return DONE;
}

export function foldAdvanceLogStart(state: LogState, command: AdvanceLogStartCommand): LogOutcome {
  const partition = state.partitions.get(partitionKey(command.topicId, command.partitionIndex));
  if (partition === undefined) return { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  const { logStartOffset } = command;
  if (logStartOffset > partition.logEndOffset) return { kind: "refused", error: ErrorCode.OFFSET_OUT_OF_RANGE };
  if (logStartOffset <= partition.logStartOffset) return DONE;
  partition.logStartOffset = logStartOffset;
  partition.segments.splice(0, findByOffset(partition.segments, logStartOffset));
  partition.entries.splice(0, findByOffset(partition.entries, logStartOffset));
  return DONE;
}

export function foldDeclareLost(state: LogState, command: DeclareLostCommand): LogOutcome {
  const partition = state.partitions.get(partitionKey(command.topicId, command.partitionIndex));
  if (partition === undefined) return { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  const { entries, segments } = partition;
  const index = segments.findIndex((segment) => !isLost(segment) && segmentKey(segment, "log") === command.key);
  const segment = segments[index];
  if (segment !== undefined) segments[index] = lostSegment(segment);
  // From the end, so that what is joined behind an index does not move those before it.
  for (let index = entries.length - 1; index >= 0; index--) {
    const place = entries[index]?.place;
    if (place?.kind === "object" && place.key === command.key) loseEntry(entries, index);
  }
  return DONE;
}
