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
