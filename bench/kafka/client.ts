import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Broker } from "../../test/clients/support/broker.ts";

export const NEVER = new AbortController().signal;
const TOPIC_TIMEOUT_MS = 30_000;

export function openClient(address: { readonly host: string; readonly port: number }): KafkaClient {
  const { host, port } = address;
  return new KafkaClient({
    bootstrap: [{ host, port }],
    clientId: "bench",
    clock: new SystemClock(),
    random: new SystemRandom(),
  });
}

/** Creates a topic unless it is there. */
export async function createTopic(client: KafkaClient, name: string, partitions: number): Promise<void> {
  const topic = { name, numPartitions: partitions, replicationFactor: 1 };
  const answer = await client.send(Apis.CREATE_TOPICS, { topics: [topic] }, { signal: NEVER });
  for (const { errorCode, errorMessage } of answer.topics) {
    if (errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS) assertNoError(errorCode, name, errorMessage);
  }
}

let topicsMade = 0;

/** A topic under a name of its own whose partitions all have leaders. */
export async function newTopic(broker: Broker, partitions: number): Promise<string> {
  topicsMade += 1;
  const name = `bench-${topicsMade}`;
  await using client = openClient(broker);
  await client.retrying(
    async () => {
      await createTopic(client, name, partitions);
      const answer = await client.send(Apis.METADATA, { topics: [{ name }] }, { signal: NEVER });
      for (const topic of answer.topics) {
        assertNoError(topic.errorCode, name);
        for (const partition of topic.partitions) assertNoError(partition.errorCode, name);
      }
    },
    { timeoutMs: TOPIC_TIMEOUT_MS, signal: NEVER },
  );
  return name;
}
