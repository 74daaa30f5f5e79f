import type { InstancePosition } from "#lib/coordinator/instance-command.ts";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import type { FetchedPartition } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { httpErrorOf } from "../error-table.ts";
import { offsetBehind, recordsFrom, type UnreadableBatch } from "../fetch-records.ts";
import { HttpError } from "../http-error.ts";
import type { InstanceCall } from "./find-instance.ts";
import { recordText } from "./record-texts.ts";
import { isGone, type PlacedPartition, resetPositions } from "./reset-positions.ts";

export interface FetchDeliveryOptions {
  readonly view: InstanceView;
  readonly bytesMax: number;
  /** How long to wait for `fetch.min.bytes`; 0: whatever is there. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What one poll could answer, and where the instance would be then. */
export interface Delivery {
  readonly texts: readonly string[];
  readonly positions: readonly InstancePosition[];
}

export interface FetchedDelivery {
  readonly delivery: Delivery;
  readonly goneTopicIds: readonly TopicId[];
}

/** How many times a fetch goes without partitions that have failed. */
const FETCHES_MAX = 8;

type FetchCall = Pick<InstanceCall, "runtime" | "signal">;

interface Fetched extends FetchedDelivery {
  /** Partitions that cannot be read at the moment, and why one of them cannot. */
  readonly failed: ReadonlySet<PlacedPartition>;
  readonly failure: ErrorCode;
}

/**
 * Fetches from the positions of the view. Partitions whose position is gone begin anew by `auto.offset.reset`. One that
 * cannot be read may have had the whole answer to itself: then the others are fetched without it, and it is an error only
 * where they have nothing.
 */
export async function fetchDelivery(
  placed: readonly PlacedPartition[],
  options: FetchDeliveryOptions,
  call: FetchCall,
): Promise<FetchedDelivery> {
  let found = await fetchOnce(placed, options, call);
  const { failure } = found;
  let rest = placed;
  for (let fetches = 1; found.delivery.positions.length === 0 && found.failed.size > 0; fetches++) {
    const { failed } = found;
    rest = rest.filter((partition) => !failed.has(partition));
    if (rest.length === 0 || fetches === FETCHES_MAX) break;
    found = await fetchOnce(rest, { ...options, waitMs: 0 }, call);
  }
  if (failure !== ErrorCode.NONE && found.delivery.positions.length === 0) throw httpErrorOf(failure);
  return found;
}

async function fetchOnce(
  placed: readonly PlacedPartition[],
  { bytesMax, waitMs, view, signal }: FetchDeliveryOptions,
  call: FetchCall,
): Promise<Fetched> {
  const { broker, settings } = call.runtime;
  const { fetchBytesMin: bytesMin, readCommitted, format } = view.config;
  const fetched = await broker.fetcher.fetch(
    placed.map(({ topic, partitionIndex, offset }) => ({
      topic: topic.placement,
      partitionIndex,
      fetchOffset: offset ?? 0,
      bytesMax,
    })),
    { bytesMax, bytesMin, waitMsMax: waitMs, readCommitted, signal },
  );
  const writer = new DeliveryWriter(format, settings.bodyBytesMax);
  const outOfRange: PlacedPartition[] = [];
  const goneTopicIds: TopicId[] = [];
  const failed = new Set<PlacedPartition>();
  let failure: ErrorCode = ErrorCode.NONE;
  const note = (partition: PlacedPartition, error: ErrorCode) => {
    if (isGone(error)) goneTopicIds.push(partition.topicId);
    else {
      failed.add(partition);
      failure = error;
    }
  };
  for (const [index, partition] of placed.entries()) {
    const found = fetched[index];
    const error = found?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    if (error === ErrorCode.OFFSET_OUT_OF_RANGE) outOfRange.push(partition);
    else if (error !== ErrorCode.NONE) note(partition, error);
    else if (found !== undefined) writer.add(partition, found);
  }
  const reset = await resetPositions(outOfRange, view.config, call);
  for (const [partition, error] of reset.failed) note(partition, error);
  const positions = [...writer.positions, ...reset.positions];
  return { delivery: { texts: writer.texts, positions }, goneTopicIds, failed, failure };
}

/** Collects records until the answer is full, or one of them cannot be shown: that one is for the next poll to tell. */
class DeliveryWriter {
  readonly texts: string[] = [];
  readonly positions: InstancePosition[] = [];
  readonly #format: InstanceView["config"]["format"];
  readonly #bytesMax: number;
  #byteLength = 0;
  #isFull = false;

  constructor(format: InstanceView["config"]["format"], bytesMax: number) {
    this.#format = format;
    this.#bytesMax = bytesMax;
  }

  add(partition: PlacedPartition, { records }: FetchedPartition): void {
    if (this.#isFull || records.length === 0) return;
    const { topicId, partitionIndex, offset: begin = 0 } = partition;
    const offset = this.#write(partition, joinChunks(records), begin);
    if (offset > begin) this.positions.push({ topicId, partitionIndex, offset });
  }

  /** The offset to go on at. */
  #write({ topic, partitionIndex }: PlacedPartition, bytes: Uint8Array, begin: number): number {
    let next = begin;
    try {
      const refusalOf = (batch: UnreadableBatch) => unreadable(topic.name, partitionIndex, batch);
      for (const record of recordsFrom(bytes, begin, refusalOf)) {
        const text = recordText(record, topic.name, { partition: partitionIndex, format: this.#format });
        const byteLength = this.#byteLength + Buffer.byteLength(text) + 1;
        if (byteLength > this.#bytesMax) {
          this.#isFull = true;
          if (this.texts.length === 0) throw tooLarge(topic.name, partitionIndex, record.offset);
          return next;
        }
        this.texts.push(text);
        this.#byteLength = byteLength;
        next = record.offset + 1;
      }
    } catch (error) {
      if (this.texts.length === 0) throw error;
      this.#isFull = true;
      return next;
    }
    return offsetBehind(bytes, begin);
  }
}

function unreadable(topic: string, partition: number, batch: UnreadableBatch): HttpError {
  const { errorCode, reason, nextOffset, cause } = batch;
  const message = `Partition ${partition} of ${topic}: ${reason} Go on behind it: POST …/positions with offset ${nextOffset}.`;
  return new HttpError({ status: 422, errorCode, message, cause });
}

function tooLarge(topic: string, partition: number, offset: number): HttpError {
  const message =
    `The record at offset ${offset} of partition ${partition} of ${topic} is larger than an answer may be. Take it by ` +
    `GET /v1/topics/${topic}/partitions/${partition}/records, or go on behind it: POST …/positions with offset ${offset + 1}.`;
  return new HttpError({ status: 413, errorCode: 41303, message });
}
