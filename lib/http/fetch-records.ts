import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { FetchedPartition } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { CodecMissingError, CorruptRecordError, DecompressedTooLargeError } from "#lib/record/errors.ts";
import type { StoredRecord } from "#lib/record/record.ts";
import { type BatchHeader, lastOffsetOf, readBatchHeader, splitBatches, sumBatch } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import type { Offset } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { HTTP_DECOMPRESSED_BATCH_BYTES_MAX } from "#lib/util/limits.ts";
import { httpErrorOf } from "./error-table.ts";
import { successorOf } from "./find-topic.ts";
import { HttpError } from "./http-error.ts";
import type { HttpServices } from "./http-services.ts";

/** Where to read from: a number, or one end of what is there. */
export type StartOffset = Offset | "earliest" | "latest";

export interface PartitionRead {
  readonly topic: TopicView;
  readonly partition: number;
  readonly offset: Offset;
  readonly bytesMax: number;
  readonly waitMs: number;
  readonly readCommitted: boolean;
}

/** Whole batches of one partition, and where its log stands. */
export interface ReadPartition extends Omit<FetchedPartition, "records" | "error"> {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The offset that `start` stands for now. */
export async function resolveOffset(
  start: StartOffset,
  where: Pick<PartitionRead, "topic" | "partition" | "readCommitted">,
  services: HttpServices,
  signal: AbortSignal,
): Promise<Offset> {
  if (typeof start === "number") return start;
  const { topic, partition, readCommitted } = where;
  const spec = start === "earliest" ? { kind: start } : { kind: start, readCommitted };
  const queries = [{ topic: topic.placement, partitionIndex: partition, spec }];
  const [found] = await services.broker.offsets.listOffsets(queries, signal);
  const error = found?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR;
  const successor = error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? successorOf(topic, services) : undefined;
  if (successor !== undefined) return resolveOffset(start, { ...where, topic: successor }, services, signal);
  if (error !== ErrorCode.NONE || found === undefined) throw httpErrorOf(error);
  return found.offset;
}

/**
 * Reads from one partition, waiting up to `waitMs` for records to come; when the process stops, no longer. Fails with
 * `HttpError`: 416 beyond the ends of the log, 404 for a topic that has gone.
 */
export async function readPartition(
  read: PartitionRead,
  services: HttpServices,
  signal: AbortSignal,
): Promise<ReadPartition> {
  const fetched = await fetchUntilStop(read, services, signal);
  const { error, records, ...rest } = fetched;
  const successor = error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? successorOf(read.topic, services) : undefined;
  if (successor !== undefined) return readPartition({ ...read, topic: successor }, services, signal);
  if (error === ErrorCode.OFFSET_OUT_OF_RANGE) throw outOfRange(read, rest);
  if (error !== ErrorCode.NONE) throw httpErrorOf(error);
  return { ...rest, bytes: joinChunks(records) };
}

async function fetchUntilStop(
  read: PartitionRead,
  { broker, stopping }: HttpServices,
  signal: AbortSignal,
): Promise<FetchedPartition> {
  const { topic, partition, offset, bytesMax, waitMs, readCommitted } = read;
  const partitions = [{ topic: topic.placement, partitionIndex: partition, fetchOffset: offset, bytesMax }];
  const fetch = async (waitMsMax: number, until: AbortSignal) => {
    const options = { bytesMax, bytesMin: 1, waitMsMax, readCommitted, signal: until };
    const [found] = await broker.fetcher.fetch(partitions, options);
    if (found === undefined) throw httpErrorOf(ErrorCode.UNKNOWN_SERVER_ERROR);
    return found;
  };
  if (waitMs <= 0 || stopping.aborted) return fetch(0, signal);
  try {
    return await fetch(waitMs, AbortSignal.any([signal, stopping]));
  } catch (error) {
    if (signal.aborted || !stopping.aborted) throw error;
    return fetch(0, signal);
  }
}

function outOfRange(
  { topic, partition, offset }: PartitionRead,
  { logStartOffset, highWatermark }: Pick<FetchedPartition, "logStartOffset" | "highWatermark">,
): HttpError {
  const place = `partition ${partition} of ${topic.name}`;
  const bounds = highWatermark < 0 ? "" : `; it has ${logStartOffset} to ${highWatermark}`;
  const message = `Offset ${offset} is not in ${place}${bounds}. Take offset=earliest or offset=latest to go on.`;
  return new HttpError({ status: 416, errorCode: 41601, message });
}

/** A batch that is what its producer made it, and cannot be shown. */
export interface UnreadableBatch {
  readonly errorCode: number;
  readonly reason: string;
  /** The offset behind it. */
  readonly nextOffset: Offset;
  readonly cause: unknown;
}

/**
 * The records of whole batches from `offset` on; control records are left out. Fails with what `refusalOf` makes of a batch
 * that is not opened here.
 */
export function* recordsFrom(
  bytes: Uint8Array,
  offset: Offset,
  refusalOf: (batch: UnreadableBatch) => HttpError = takeWholeBatches,
): Generator<StoredRecord, void, undefined> {
  for (const batch of splitBatches(bytes).batches) {
    const header = readBatchHeader(batch);
    if (header.isControl || lastOffsetOf(header) < offset) continue;
    for (const record of recordsOf(batch, header, refusalOf)) {
      if (record.offset >= offset) yield record;
    }
  }
}

function* recordsOf(
  batch: Uint8Array,
  header: BatchHeader,
  refusalOf: (batch: UnreadableBatch) => HttpError,
): Generator<StoredRecord, void, undefined> {
  try {
    yield* readRecords(batch, HTTP_DECOMPRESSED_BATCH_BYTES_MAX);
  } catch (cause) {
    const errorCode = unreadableCodeOf(cause, batch, header);
    if (errorCode === undefined || !(cause instanceof Error)) throw cause;
    const reason = `The batch at offset ${header.baseOffset} is not opened here: ${cause.message}.`;
    throw refusalOf({ errorCode, reason, nextOffset: lastOffsetOf(header) + 1, cause });
  }
}

/** Undefined for a fault of ours. Where the CRC is right, the producer made it so: records are not looked at on their way in. */
function unreadableCodeOf(cause: unknown, batch: Uint8Array, header: BatchHeader): number | undefined {
  if (cause instanceof DecompressedTooLargeError || cause instanceof CodecMissingError) return 42215;
  return cause instanceof CorruptRecordError && sumBatch(batch) === header.crc ? 42210 : undefined;
}

function takeWholeBatches({ errorCode, reason, cause }: UnreadableBatch): HttpError {
  const message = `${reason} Take whole batches (Accept: application/octet-stream).`;
  return new HttpError({ status: 422, errorCode, message, cause });
}

/** The offset behind the last batch; `offset` if there is none. */
export function offsetBehind(bytes: Uint8Array, offset: Offset): Offset {
  const last = splitBatches(bytes).batches.at(-1);
  return last === undefined ? offset : Math.max(offset, lastOffsetOf(readBatchHeader(last)) + 1);
}
