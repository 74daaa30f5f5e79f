import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { oneTopic } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { assert, defined } from "#lib/util/assert.ts";
import { NEVER, openClient } from "../kafka/client.ts";

const TIMEOUT_MS = 30_000;
/** As Kafka's consumers have them: `max.partition.fetch.bytes`, `fetch.max.wait.ms`. */
const FETCH_BYTES_MAX = 1_048_576;
const WAIT_MS_MAX = 500;
/** The golden ratio: its multiples fall all over the log, never near one another in time. */
const STEP = 0.618_033_988_75;

/** Milliseconds of fetches at offsets all over the log, one after another, each a sample. */
export async function randomFetchMs(
  address: { readonly host: string; readonly port: number },
  from: { readonly topic: string; readonly records: number; readonly fetches: number },
): Promise<readonly number[]> {
  await using client = openClient(address);
  const { name, topicId } = await oneTopic(client, from.topic, { signal: NEVER, timeoutMs: TIMEOUT_MS });
  await using connection = await KafkaConnection.open({ ...address, clientId: "fetcher" });
  await connection.negotiate();
  const version = connection.versionOf(Apis.FETCH);
  const samples: number[] = [];
  for (let at = 1; at <= from.fetches; at++) {
    const fetchOffset = Math.floor(((at * STEP) % 1) * from.records);
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: FETCH_BYTES_MAX }];
    const topics = [{ topic: name, topicId, partitions }];
    const beganMs = performance.now();
    const answer = await connection.send(Apis.FETCH, version, { maxWaitMs: WAIT_MS_MAX, minBytes: 1, topics });
    samples.push(performance.now() - beganMs);
    check(answer.responses[0]?.partitions[0], fetchOffset);
  }
  return samples;
}

interface Answered {
  readonly errorCode: number;
  readonly records: Uint8Array | null;
}

/** The first batch holds the offset: what is measured is a read of what was asked for. */
function check(answered: Answered | undefined, fetchOffset: number): void {
  const { errorCode, records } = defined(answered, "answer of the partition");
  assertNoError(errorCode, `offset ${fetchOffset}`);
  const batch = Buffer.from(records ?? []);
  assert(batch.byteLength > 61, `records at offset ${fetchOffset}`);
  const baseOffset = Number(batch.readBigInt64BE(0));
  const lastOffset = baseOffset + batch.readInt32BE(23);
  assert(baseOffset <= fetchOffset && fetchOffset <= lastOffset, `${baseOffset} to ${lastOffset} for ${fetchOffset}`);
}
