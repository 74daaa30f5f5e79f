import { commitOffsets } from "#lib/client/group-offsets.ts";
import { oneTopic, type TopicMetadata } from "#lib/client/topic-metadata.ts";
import type { Broker } from "../../test/clients/support/broker.ts";
import { NEVER, newTopic, openClient } from "../kafka/client.ts";

const TIMEOUT_MS = 30_000;

/** A new topic for groups to read, on a broker whose coordinator has answered: Kafka makes its offsets topic for that. */
export async function newGroupTopic(broker: Broker, partitions: number): Promise<TopicMetadata> {
  const name = await newTopic(broker, partitions);
  await using client = openClient(broker);
  const offsets = new Map([[name, new Map([[0, 0]])]]);
  await commitOffsets(client, { groupId: `first of ${name}`, offsets }, NEVER);
  return await oneTopic(client, name, { signal: NEVER, timeoutMs: TIMEOUT_MS });
}
