import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import type { TopicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { KIBIBYTE, MEGABYTE } from "../kafka/sizes.ts";

const CONNECTIONS = 4;
/** As many as Kafka's producers have. */
const REQUESTS_IN_FLIGHT = 5;
const PARTITIONS_PER_REQUEST = 12;
const RECORDS_PER_BATCH = 8;
const TIMEOUT_MS = 30_000;

/** A partition to write to. */
export interface Target {
  readonly topic: TopicMetadata;
  readonly index: number;
}

/**
 * Writes the same batch to partition after partition, twelve to a request, for so long. Answers the acknowledged MB/s of
 * records' values. What is sent is the same however many partitions there are, so only the broker can tell a difference.
 */
export async function sendBatches(
  address: { readonly host: string; readonly port: number },
  targets: readonly Target[],
  seconds: number,
): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const records = batch();
  const endMs = performance.now() + seconds * 1_000;
  let next = 0;
  let acknowledged = 0;
  const sendOn = async (connection: KafkaConnection): Promise<void> => {
    const version = connection.versionOf(Apis.PRODUCE);
    while (performance.now() < endMs) {
      const chosen = Array.from({ length: PARTITIONS_PER_REQUEST }, () => targets[next++ % targets.length]);
      const request = { acks: -1, timeoutMs: TIMEOUT_MS, topicData: byTopic(chosen, records) };
      const { responses } = await connection.send(Apis.PRODUCE, version, request);
      for (const { name, partitionResponses } of responses) {
        for (const { errorCode, index } of partitionResponses) assertNoError(errorCode, `${name}-${index}`);
        acknowledged += partitionResponses.length;
      }
    }
  };
  const beganMs = performance.now();
  const lanes: Promise<void>[] = [];
  for (let at = 0; at < CONNECTIONS; at++) {
    const connection = stack.use(await KafkaConnection.open({ ...address, clientId: `sender-${at}` }));
    await connection.negotiate();
    for (let lane = 0; lane < REQUESTS_IN_FLIGHT; lane++) lanes.push(sendOn(connection));
  }
  await Promise.all(lanes);
  const bytes = acknowledged * RECORDS_PER_BATCH * KIBIBYTE;
  return bytes / MEGABYTE / ((performance.now() - beganMs) / 1_000);
}

function batch(): Uint8Array {
  const value = Buffer.alloc(KIBIBYTE, "bench ");
  const timestampMs = Date.now();
  return buildBatch(
    Array.from({ length: RECORDS_PER_BATCH }, () => ({ timestampMs, key: null, value, headers: [] })),
    { partitionLeaderEpoch: 0 },
  );
}

function byTopic(targets: readonly (Target | undefined)[], records: Uint8Array) {
  const partitions = new Map<TopicMetadata, { index: number; records: Uint8Array }[]>();
  for (const target of targets) {
    if (target === undefined) throw new Error("there are partitions to write to");
    const { topic, index } = target;
    const data = partitions.get(topic) ?? [];
    if (data.length === 0) partitions.set(topic, data);
    data.push({ index, records });
  }
  return [...partitions].map(([{ name, topicId }, partitionData]) => ({ name, topicId, partitionData }));
}
