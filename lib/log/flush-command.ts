import type { QueuedBatch } from "./append-request.ts";
import type { FlushPart } from "./flush-plan.ts";
import type { AppendBatch, AppendPart } from "./log-command.ts";

/** Where each part begins when they stand one after another. */
export function positionsOf(parts: readonly FlushPart[]): readonly number[] {
  let position = 0;
  return parts.map(({ byteLength }) => {
    position += byteLength;
    return position - byteLength;
  });
}

/** Consecutive batches of a part, and where they begin. */
export interface PartRun {
  readonly part: FlushPart;
  readonly position: number;
}

/** What is left of a part without the batches that `isLeftOut` says yes to; those are settled by the caller. */
export function runsWithout(
  { part, position }: PartRun,
  isLeftOut: (batch: QueuedBatch) => boolean,
): readonly PartRun[] {
  const runs: PartRun[] = [];
  let run: FlushPart | undefined;
  let at = position;
  for (const batch of part.batches) {
    if (isLeftOut(batch)) run = undefined;
    else if (run === undefined) {
      run = { ...part, batches: [batch], byteLength: batch.byteLength };
      runs.push({ part: run, position: at });
    } else {
      run.batches.push(batch);
      run.byteLength += batch.byteLength;
    }
    at += batch.byteLength;
  }
  return runs;
}

export function commandPart({ topic, partitionIndex, batches }: FlushPart, position: number): AppendPart {
  return { topicId: topic.topicId, partitionIndex, position, batches: batches.map(commandBatch) };
}

function commandBatch({ append, request }: QueuedBatch): AppendBatch {
  const { header, bytes } = append;
  const isIdempotent = header.producerId >= 0;
  return {
    byteLength: bytes.byteLength,
    offsetCount: header.lastOffsetDelta + 1,
    maxTimestampMs: header.maxTimestamp,
    producerId: isIdempotent ? header.producerId : -1,
    producerEpoch: isIdempotent ? header.producerEpoch : -1,
    baseSequence: isIdempotent ? header.baseSequence : -1,
    isTransactional: header.isTransactional,
    requireMinInsync: request.options.requireMinInsync,
  };
}
