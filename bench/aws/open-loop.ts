import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import type { TopicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import type { Offset } from "#lib/util/branded.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { KIBIBYTE } from "../kafka/sizes.ts";

export interface Load {
  /** Of all producers together, evenly spread. */
  readonly requestsPerSecond: number;
  /** Of 1 KiB each, in one batch of one partition. */
  readonly recordsPerRequest: number;
  readonly producers: number;
}

export interface LoadTimes {
  /** Left out of the figures, for caches and compilers. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** A batch that was acknowledged: when it was due to be sent, and when the answer came, in milliseconds. */
export interface Acknowledged {
  readonly partition: number;
  readonly baseOffset: Offset;
  readonly dueMs: number;
  readonly ackMs: number;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly topic: TopicMetadata;
}

const TIMEOUT_MS = 30_000;

/**
 * Sends at a rate that nothing slows down. Times count from when a request was due, so that a stall counts for all that
 * it held up. Resolves with what was due after the warm-up, when all of it is acknowledged; fails with the first refusal.
 */
export async function sendOpenLoop(
  target: Target,
  load: Load,
  { warmUpSeconds, seconds }: LoadTimes,
): Promise<readonly Acknowledged[]> {
  await using stack = new AsyncDisposableStack();
  const producers: KafkaConnection[] = [];
  for (let at = 0; at < load.producers; at++) {
    const connection = stack.use(await KafkaConnection.open({ ...target, clientId: `producer-${at}` }));
    await connection.negotiate();
    producers.push(connection);
  }
  const batch = batchOf(load.recordsPerRequest);
  const startMs = performance.now();
  const measuredFromMs = startMs + warmUpSeconds * 1_000;
  const count = Math.round((warmUpSeconds + seconds) * load.requestsPerSecond);
  const answers: Promise<Acknowledged>[] = [];
  let failure: { readonly error: unknown } | undefined;
  for (let sent = 0; sent < count; sent++) {
    const dueMs = startMs + (sent * 1_000) / load.requestsPerSecond;
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) await sleep(Math.ceil(leftMs));
    if (failure !== undefined) throw failure.error;
    const connection = producers[sent % producers.length];
    const partition = Math.floor(sent / producers.length) % target.topic.partitions.length;
    if (connection === undefined) throw new Error("a load has producers");
    const answer = send(connection, target.topic, { partition, batch, dueMs });
    answer.catch((error: unknown) => {
      failure ??= { error };
    });
    answers.push(answer);
  }
  const acknowledged = await Promise.all(answers);
  return acknowledged.filter(({ dueMs }) => dueMs >= measuredFromMs);
}

/** Records as a client makes them; all requests bring the same ones. */
export function batchOf(records: number): Uint8Array {
  const value = Buffer.alloc(KIBIBYTE, "bench ");
  const timestampMs = Date.now();
  return buildBatch(
    Array.from({ length: records }, () => ({ timestampMs, key: null, value, headers: [] })),
    { partitionLeaderEpoch: 0 },
  );
}

async function send(
  connection: KafkaConnection,
  { name, topicId }: TopicMetadata,
  { partition, batch, dueMs }: { readonly partition: number; readonly batch: Uint8Array; readonly dueMs: number },
): Promise<Acknowledged> {
  const partitionData = [{ index: partition, records: batch }];
  const request = { acks: -1, timeoutMs: TIMEOUT_MS, topicData: [{ name, topicId, partitionData }] };
  const { responses } = await connection.send(Apis.PRODUCE, connection.versionOf(Apis.PRODUCE), request);
  const ackMs = performance.now();
  const answer = responses[0]?.partitionResponses[0];
  if (answer === undefined) throw new Error(`no answer for ${name}-${partition}`);
  assertNoError(answer.errorCode, `${name}-${partition}`, answer.errorMessage);
  return { partition, baseOffset: answer.baseOffset, dueMs, ackMs };
}
