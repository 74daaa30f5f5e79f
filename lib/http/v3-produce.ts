import { admitBatch } from "#lib/broker/admit-batch.ts";
import { hasPartition } from "#lib/broker/resolve-topics.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { httpErrorFrom, httpErrorOf } from "./error-table.ts";
import { type Caller, findTopicToWrite } from "./find-topic.ts";
import { HttpError } from "./http-error.ts";
import type { HttpServices } from "./http-services.ts";
import { Partitioner } from "./place-records.ts";
import { appendBatches, batchesOf, type PlacedRecord, PRODUCE_VERSION } from "./produce-records.ts";
import { newRecordOf, timeText, type V3Record } from "./v3-record.ts";

/** One record that is written, as the REST Proxy's v3 reports it. */
export type RecordReport = ReturnType<typeof reportOf>;

/** A record as it came, or why it is none. */
export type ReceivedRecord = V3Record | HttpError;

interface Slot {
  readonly source: V3Record;
  readonly placed: PlacedRecord;
  readonly at: number;
}

interface RecordPlace {
  readonly topic: TopicView;
  readonly partitioner: Partitioner;
  readonly nowMs: TimestampMs;
}

/**
 * Writes records to a topic, each for itself: what cannot be written is an error in its place, and the others go on. Those
 * that go to one partition share batches, in their order. Rejects only if nothing can be said of any.
 */
export async function produceEach(
  records: readonly ReceivedRecord[],
  topicName: string,
  caller: Caller,
): Promise<readonly (RecordReport | HttpError)[]> {
  const { runtime, signal } = caller;
  const { broker } = runtime;
  const topic = await findTopicToWrite(topicName, caller, highestPartition(records));
  const place = {
    topic,
    partitioner: new Partitioner(topic.partitionCount, broker.random),
    nowMs: broker.clock.nowMs(),
  };
  const results = new Map<number, RecordReport | HttpError>();
  const slots: Slot[] = [];
  for (const [at, source] of records.entries()) {
    const placed = source instanceof HttpError ? source : placedRecord(source, place);
    if (placed instanceof HttpError || source instanceof HttpError) results.set(at, httpErrorFrom(placed));
    else slots.push({ source, placed, at });
  }
  for (const [at, result] of await append(slots, topic, runtime, signal)) results.set(at, result);
  return records.map((_, at) => results.get(at) ?? httpErrorOf(ErrorCode.UNKNOWN_SERVER_ERROR));
}

function highestPartition(records: readonly ReceivedRecord[]): number {
  let highest = -1;
  for (const record of records) {
    if (!(record instanceof HttpError)) highest = Math.max(highest, record.partition_id ?? -1);
  }
  return highest;
}

function placedRecord(record: V3Record, { topic, partitioner, nowMs }: RecordPlace): PlacedRecord | HttpError {
  try {
    const made = newRecordOf(record, nowMs);
    const partition = record.partition_id ?? partitioner.partitionOf(made.key);
    if (hasPartition(topic, partition)) return { ...made, partition };
    const message = `Topic ${topic.name} has no partition ${partition}; it has ${topic.partitionCount}, counted from 0.`;
    return new HttpError({ status: 404, errorCode: 40402, message });
  } catch (error) {
    return httpErrorFrom(error);
  }
}

async function append(
  slots: readonly Slot[],
  topic: TopicView,
  services: HttpServices,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, RecordReport | HttpError>> {
  if (slots.length === 0) return new Map();
  try {
    return await appendAll(slots, topic, services, signal);
  } catch (error) {
    if (!(error instanceof HttpError)) return everywhere(slots, httpErrorFrom(error));
    // One of them breaks a rule of the topic and nothing is written: the others go without it.
    const refused = new Map<number, RecordReport | HttpError>();
    const nowMs = services.broker.clock.nowMs();
    const sound = slots.filter(({ placed, at }) => {
      const fault = faultOf(placed, topic, nowMs);
      if (fault !== undefined) refused.set(at, fault);
      return fault === undefined;
    });
    if (sound.length === 0) return refused;
    const rest = await appendAll(sound, topic, services, signal).catch((again: unknown) =>
      everywhere(sound, httpErrorFrom(again)),
    );
    return new Map([...refused, ...rest]);
  }
}

async function appendAll(
  slots: readonly Slot[],
  topic: TopicView,
  services: HttpServices,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, RecordReport | HttpError>> {
  const batches = batchesOf(
    slots.map(({ placed }) => placed),
    topic,
  );
  const results = new Map<number, RecordReport | HttpError>();
  for (const { batch, answer } of await appendBatches(topic, batches, services, signal)) {
    for (const [offsetInBatch, place] of batch.places.entries()) {
      const slot = slots[place];
      if (slot === undefined) continue;
      const result =
        answer.kind === "refused"
          ? httpErrorOf(answer.error, answer.message)
          : reportOf(slot, answer.baseOffset + offsetInBatch, topic, services);
      results.set(slot.at, result);
    }
  }
  return results;
}

function faultOf(placed: PlacedRecord, topic: TopicView, nowMs: TimestampMs): HttpError | undefined {
  const [batch] = batchesOf([placed], topic);
  const admission = admitBatch(batch?.bytes ?? null, topic, { produceVersion: PRODUCE_VERSION, nowMs });
  return admission.kind === "refused" ? httpErrorOf(admission.error, admission.message) : undefined;
}

function everywhere(slots: readonly Slot[], error: HttpError): ReadonlyMap<number, HttpError> {
  return new Map(slots.map(({ at }) => [at, error]));
}

function reportOf({ source, placed }: Slot, offset: number, topic: TopicView, { broker }: HttpServices) {
  const isStamped = topic.settings.timestampType === "LogAppendTime";
  return {
    cluster_id: broker.identity.clusterId,
    topic_name: topic.name,
    partition_id: placed.partition,
    offset,
    timestamp: isStamped ? null : timeText(placed.timestampMs),
    ...(source.key ? { key: { type: source.key.type, size: placed.key?.byteLength ?? 0 } } : {}),
    ...(source.value ? { value: { type: source.value.type, size: placed.value?.byteLength ?? 0 } } : {}),
  };
}
