import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type BatchOptions, buildBatch } from "#lib/record/batch-builder.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { defined } from "#lib/util/assert.ts";

const PRODUCE_VERSION = 12;
const FETCH_VERSION = 12;

export async function createTopic(connection: KafkaConnection, name: string, numPartitions = 1): Promise<void> {
  const { topics } = await connection.send(Apis.CREATE_TOPICS, 7, {
    topics: [{ name, numPartitions, replicationFactor: -1 }],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  const { errorCode, errorMessage } = defined(topics[0]);
  if (errorCode !== ErrorCode.NONE) throw new Error(`cannot create ${name}: ${errorCode} ${errorMessage}`);
}

/** An uncompressed batch with one record a value. */
export function batchOf(values: readonly string[], options: BatchOptions = {}): Uint8Array {
  const records = values.map((value) => ({ timestampMs: Date.now(), key: null, value: Buffer.from(value) }));
  return buildBatch(records, options);
}

export interface ProduceTarget {
  readonly topic: string;
  readonly partition?: number;
  readonly acks?: number;
  readonly timeoutMs?: number;
  readonly version?: number;
}

/** Produces one batch; the partition's answer. */
export async function produce(connection: KafkaConnection, target: ProduceTarget, records: Uint8Array | null) {
  const { responses } = await connection.send(Apis.PRODUCE, target.version ?? PRODUCE_VERSION, {
    acks: target.acks ?? -1,
    timeoutMs: target.timeoutMs ?? 10_000,
    topicData: [{ name: target.topic, partitionData: [{ index: target.partition ?? 0, records }] }],
  });
  return defined(responses[0]?.partitionResponses[0]);
}

/** Every value of a partition in the order of its offsets, which have no gap. */
export async function readAll(connection: KafkaConnection, topic: string, partition = 0): Promise<readonly string[]> {
  const values: string[] = [];
  for (;;) {
    const { responses } = await connection.send(Apis.FETCH, FETCH_VERSION, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 50_000_000,
      topics: [{ topic, partitions: [{ partition, fetchOffset: values.length, partitionMaxBytes: 50_000_000 }] }],
      forgottenTopicsData: [],
    });
    const answer = defined(responses[0]?.partitions[0]);
    if (answer.errorCode !== ErrorCode.NONE) throw new Error(`fetch of ${topic}-${partition}: ${answer.errorCode}`);
    const before = values.length;
    for (const batch of splitBatches(answer.records ?? new Uint8Array()).batches) {
      for (const { offset, value } of readRecords(batch)) {
        if (offset < before) continue;
        if (offset !== values.length) throw new Error(`offset ${offset} where ${values.length} is due`);
        values.push(Buffer.from(value ?? []).toString());
      }
    }
    if (values.length >= answer.highWatermark) return values;
    if (values.length === before) throw new Error(`no records at ${before} below ${answer.highWatermark}`);
  }
}
