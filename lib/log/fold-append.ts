import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { keptBatchSizes } from "./batch-sizes.ts";
import { copiesNeeded, copiesOf } from "./commit-rule.ts";
import { checkProducer, rememberBatch } from "./fold-producer.ts";
import { foldFloor } from "./fold-segments.ts";
import type { AppendBatch, AppendCommand, AppendPart, AppendSource, BatchOutcome, LogOutcome } from "./log-command.ts";
import { type EntryPlace, type LogState, type PartitionState, partitionKey } from "./log-state.ts";

const NOT_OPEN: BatchOutcome = { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
const NOT_ENOUGH_REPLICAS: BatchOutcome = { kind: "refused", error: ErrorCode.NOT_ENOUGH_REPLICAS };
const OFFSETS_EXHAUSTED: BatchOutcome = { kind: "refused", error: ErrorCode.INVALID_RECORD };
const NO_TRANSACTION: BatchOutcome = { kind: "refused", error: ErrorCode.INVALID_TXN_STATE };

interface AppendContext {
  readonly place: EntryPlace;
  readonly proposedAtMs: TimestampMs;
  /** The latest time that the state knows: producers are idle by it. */
  readonly nowMs: TimestampMs;
}

/** Applies one flush: each batch is appended, known already, or refused, whatever becomes of the others. */
export function foldAppend(state: LogState, command: AppendCommand, context: FoldContext): LogOutcome {
  const { source } = command;
  const tooOld = source.kind === "object" ? foldFloor(state, source.key) : undefined;
  if (tooOld !== undefined) return tooOld;
  const { proposedAtMs } = context;
  if (proposedAtMs > state.latestProposedAtMs) state.latestProposedAtMs = proposedAtMs;
  const append = { place: placeOf(command, context), proposedAtMs, nowMs: state.latestProposedAtMs };
  const parts = command.parts.map((part) => {
    const partition = state.partitions.get(partitionKey(part.topicId, part.partitionIndex));
    if (partition === undefined) return part.batches.map(() => NOT_OPEN);
    return foldPart(partition, part, { ...append, rule: commitRule(state, partition, source) });
  });
  return { kind: "appended", parts };
}

function placeOf(command: AppendCommand, context: FoldContext): EntryPlace {
  const { source, flushId } = command;
  if (source.kind === "inline") return { kind: "inline", seq: context.seq, indexInRecord: context.indexInRecord };
  return { kind: "object", key: source.key, flushId, byteLength: source.byteLength, copies: source.copies };
}

/** Whether the copies suffice, with and without `min.insync.replicas`. */
interface CommitRule {
  readonly withMinInsync: boolean;
  readonly withoutMinInsync: boolean;
}

function commitRule(state: LogState, partition: PartitionState, source: AppendSource): CommitRule {
  const needed = copiesNeeded(state, partition);
  const copies = copiesOf(source, state, partition);
  return { withMinInsync: copies >= needed.withMinInsync, withoutMinInsync: copies >= needed.withoutMinInsync };
}

function foldPart(
  partition: PartitionState,
  part: AppendPart,
  context: AppendContext & { readonly rule: CommitRule },
): readonly BatchOutcome[] {
  const outcomes: BatchOutcome[] = [];
  let position = part.position;
  let runBegin = 0;
  let runPosition = position;
  // A batch that is not appended ends the run before it: an entry is one byte range whose offsets have no holes.
  for (const [index, batch] of part.batches.entries()) {
    const outcome = foldBatch(partition, batch, context);
    outcomes.push(outcome);
    const isAppended = outcome.kind === "appended";
    if (!isAppended) {
      addEntry(partition, part.batches.slice(runBegin, index), { ...context, position: runPosition });
      runBegin = index + 1;
    }
    position += batch.byteLength;
    if (!isAppended) runPosition = position;
  }
  const rest = runBegin === 0 ? part.batches : part.batches.slice(runBegin);
  addEntry(partition, rest, { ...context, position: runPosition });
  return outcomes;
}

/** Decides on one batch and takes its offsets. */
function foldBatch(
  partition: PartitionState,
  batch: AppendBatch,
  context: AppendContext & { readonly rule: CommitRule },
): BatchOutcome {
  const { rule, nowMs } = context;
  // Until transactions exist nothing would ever end one; what is refused now may be accepted by a later feature level.
  if (batch.isTransactional) return NO_TRANSACTION;
  if (!(batch.requireMinInsync ? rule.withMinInsync : rule.withoutMinInsync)) return NOT_ENOUGH_REPLICAS;
  const baseOffset = partition.logEndOffset;
  // A compressed batch of a few bytes may claim 2^31 records, so a hostile producer gets here in millions of batches.
  if (batch.offsetCount > Number.MAX_SAFE_INTEGER - baseOffset) return OFFSETS_EXHAUSTED;
  if (batch.producerId >= 0) {
    const verdict = checkProducer(partition, batch, nowMs);
    if (verdict !== undefined) return verdict;
    rememberBatch(partition, batch, { baseOffset, nowMs });
  }
  partition.logEndOffset += batch.offsetCount;
  if (batch.maxTimestampMs > partition.maxTimestampMs) partition.maxTimestampMs = batch.maxTimestampMs;
  return { kind: "appended", baseOffset, logStartOffset: partition.logStartOffset };
}

/** Adds an entry for consecutive batches whose offsets were taken just now, the last ones of the partition. */
function addEntry(
  partition: PartitionState,
  batches: readonly AppendBatch[],
  context: AppendContext & { readonly position: number },
): void {
  if (batches.length === 0) return;
  let byteLength = 0;
  let offsetCount = 0;
  let maxTimestampMs = -1;
  for (const batch of batches) {
    byteLength += batch.byteLength;
    offsetCount += batch.offsetCount;
    if (batch.maxTimestampMs > maxTimestampMs) maxTimestampMs = batch.maxTimestampMs;
  }
  partition.entries.push({
    baseOffset: partition.logEndOffset - offsetCount,
    nextOffset: partition.logEndOffset,
    place: context.place,
    position: context.position,
    byteLength,
    maxTimestampMs,
    appendedAtMs: context.proposedAtMs,
    batches: keptBatchSizes(batches),
  });
}
