import { ErrorCode } from "#lib/protocol/error-code.ts";
import { uploadEpochOf } from "#lib/storage/object-keys.ts";
import { defined } from "#lib/util/assert.ts";
import { PRODUCER_EXPIRY_MS_MIN } from "#lib/util/limits.ts";
import { batchSizesOf } from "./batch-sizes.ts";
import { copiesAmong, copiesToReplace } from "./commit-rule.ts";
import { findByOffset } from "./find-by-offset.ts";
import { forgetEndedPass } from "./fold-cleaning.ts";
import type {
  ExpireProducersCommand,
  GatherCommand,
  GatherPart,
  LogOutcome,
  ReplaceCommand,
  ReplaceInput,
  RetireCommand,
} from "./log-command.ts";
import {
  type LogSegment,
  type LogState,
  type PartitionState,
  partitionKey,
  type WriteAheadEntry,
  type WriteAheadObject,
} from "./log-state.ts";
import { isInputAt, segmentKey } from "./segments.ts";

// What the workers change. Inputs are named one by one and never as a range of offsets: what came between two looks at a
// partition, or was replaced by somebody else, would go with a range.

const DONE: LogOutcome = { kind: "done" };
const NOT_OPEN: LogOutcome = { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
const INPUTS_MOVED: LogOutcome = { kind: "refused", error: ErrorCode.INVALID_UPDATE_VERSION };
const NOT_COVERED: LogOutcome = { kind: "refused", error: ErrorCode.INVALID_REQUEST };
const TOO_FEW_COPIES: LogOutcome = { kind: "refused", error: ErrorCode.NOT_ENOUGH_REPLICAS };

/** The refusal of an object that is too old to be referred to; undefined if it may be. What is no key of ours is too old. */
export function foldFloor(state: LogState, key: string): LogOutcome | undefined {
  const { retireFloor } = state;
  if (retireFloor < 0 || (uploadEpochOf(key) ?? -1) > retireFloor) return undefined;
  return { kind: "retired", floor: retireFloor };
}

export function foldRetire(state: LogState, command: RetireCommand): LogOutcome {
  state.retireFloor = Math.max(state.retireFloor, command.floor);
  return DONE;
}

export function foldReplace(state: LogState, command: ReplaceCommand): LogOutcome {
  const { inputs, segments } = command;
  const partition = state.partitions.get(partitionKey(command.topicId, command.partitionIndex));
  if (partition === undefined) return NOT_OPEN;
  for (const segment of segments) {
    const tooOld = foldFloor(state, segmentKey(segment, "log"));
    if (tooOld !== undefined) return tooOld;
  }
  if (!covers(segments, inputs)) return NOT_COVERED;
  const needed = copiesToReplace(state, partition);
  if (!segments.every(({ copies }) => copiesAmong(copies, state, partition) >= needed)) return TOO_FEW_COPIES;
  const place = findInputs(partition, inputs);
  if (place === undefined) return INPUTS_MOVED;
  // The log start may have moved on within the inputs: nobody reads what ends before it.
  const kept = segments.filter((segment) => segment.nextOffset > partition.logStartOffset);
  partition.segments.splice(place.firstSegment, place.segmentCount, ...kept);
  partition.entries.splice(0, place.entryCount);
  forgetEndedPass(partition);
  return DONE;
}

/** Whether the segments follow one another from the first input's base offset to the last one's next. */
function covers(segments: readonly LogSegment[], inputs: readonly ReplaceInput[]): boolean {
  let nextOffset = inputs[0]?.baseOffset;
  if (nextOffset === undefined || segments.length === 0) return false;
  for (const segment of segments) {
    if (segment.baseOffset !== nextOffset || segment.nextOffset <= nextOffset) return false;
    nextOffset = segment.nextOffset;
  }
  return nextOffset === inputs.at(-1)?.nextOffset;
}

interface InputPlace {
  readonly firstSegment: number;
  readonly segmentCount: number;
  /** From the first entry on: segments have none of them before themselves. */
  readonly entryCount: number;
}

function findInputs(partition: PartitionState, inputs: readonly ReplaceInput[]): InputPlace | undefined {
  const entriesFrom = inputs.findIndex((input) => input.kind === "entry");
  const segmentCount = entriesFrom === -1 ? inputs.length : entriesFrom;
  const entryCount = inputs.length - segmentCount;
  const firstOffset = defined(inputs[0]).baseOffset;
  const firstSegment = segmentCount === 0 ? partition.segments.length : findByOffset(partition.segments, firstOffset);
  // Between segments and entries there is nothing to leave out.
  if (entryCount > 0 && firstSegment + segmentCount !== partition.segments.length) return undefined;
  const isThere = inputs.every((input, at) => {
    const isSegment = at < segmentCount;
    if (isSegment !== (input.kind === "segment")) return false;
    return isInputAt(partition, input, isSegment ? firstSegment + at : at - segmentCount);
  });
  return isThere ? { firstSegment, segmentCount, entryCount } : undefined;
}

export function foldGather(state: LogState, command: GatherCommand): LogOutcome {
  const tooOld = foldFloor(state, command.key);
  if (tooOld !== undefined) return tooOld;
  const { key, flushId, byteLength, copies } = command;
  // One object for all entries, as decoding a snapshot makes it.
  const place: WriteAheadObject = { kind: "object", key, flushId, byteLength, copies };
  return { kind: "gathered", parts: command.parts.map((part) => gatherPart(state, part, place)) };
}

function gatherPart(state: LogState, part: GatherPart, place: WriteAheadObject): boolean {
  const partition = state.partitions.get(partitionKey(part.topicId, part.partitionIndex));
  const [first] = part.inputs;
  if (partition === undefined || first === undefined) return false;
  if (copiesAmong(place.copies, state, partition) < copiesToReplace(state, partition)) return false;
  const { entries } = partition;
  const index = findByOffset(entries, first.baseOffset);
  // What is lost has no bytes to bring along.
  const isThere = part.inputs.every(
    (input, at) => input.place.kind !== "lost" && isInputAt(partition, input, index + at),
  );
  if (!isThere) return false;
  const run = entries.slice(index, index + part.inputs.length);
  entries.splice(index, run.length, joinedEntry(run, { place, position: part.position }));
  return true;
}

function joinedEntry(
  run: readonly WriteAheadEntry[],
  to: { readonly place: WriteAheadObject; readonly position: number },
): WriteAheadEntry {
  const [single] = run.length === 1 ? run : [];
  let byteLength = 0;
  let maxTimestampMs = -1;
  let appendedAtMs = 0;
  for (const entry of run) {
    byteLength += entry.byteLength;
    maxTimestampMs = Math.max(maxTimestampMs, entry.maxTimestampMs);
    appendedAtMs = Math.max(appendedAtMs, entry.appendedAtMs);
  }
  const baseOffset = defined(run[0]).baseOffset;
  const nextOffset = defined(run.at(-1)).nextOffset;
  const batches = single?.batches ?? joinedSizes(run);
  return { baseOffset, nextOffset, ...to, byteLength, maxTimestampMs, appendedAtMs, batches };
}

function joinedSizes(run: readonly WriteAheadEntry[]): Uint8Array {
  const sizes = run.map(batchSizesOf);
  const joined = new Uint8Array(sizes.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const each of sizes) {
    joined.set(each, at);
    at += each.byteLength;
  }
  return joined;
}

export function foldExpireProducers(state: LogState, command: ExpireProducersCommand): LogOutcome {
  const partition = state.partitions.get(partitionKey(command.topicId, command.partitionIndex));
  if (partition === undefined) return NOT_OPEN;
  // A clock that runs ahead must not make a producer's retries look new.
  const idleSinceMs = Math.min(command.idleSinceMs, state.latestProposedAtMs - PRODUCER_EXPIRY_MS_MIN);
  for (const [producerId, { lastSeenMs }] of partition.producers) {
    if (lastSeenMs < idleSinceMs) partition.producers.delete(producerId);
  }
  return DONE;
}
