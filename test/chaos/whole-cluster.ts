import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import type { MetadataResponse } from "#lib/protocol/messages/metadata.ts";
import type { ChaosCluster, ClusterBroker, ReplicatedTopic } from "./cluster.ts";

const ASK_MS_MAX = 5_000;

/**
 * What keeps the cluster from being as it was before anything went wrong, as its brokers show it; undefined if nothing
 * does. Each broker is asked by itself, for each has to know.
 */
export async function missingOf(
  { brokers }: Pick<ChaosCluster, "brokers">,
  topic: ReplicatedTopic,
): Promise<string | undefined> {
  const answers = await Promise.all(
    brokers.map(async (broker) => {
      try {
        return missingIn(await metadataOf(broker, topic.name), topic, brokers.length);
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    }),
  );
  const missing = answers.flatMap((text, id) => (text === undefined ? [] : [`broker ${id}: ${text}`]));
  return missing.length === 0 ? undefined : missing.join("; ");
}

/** All brokers live, each partition with all of its replicas in sync and led by the preferred one. */
export function missingIn(
  { brokers, topics }: Pick<MetadataResponse, "brokers" | "topics">,
  { partitions, replicationFactor }: ReplicatedTopic,
  brokerCount: number,
): string | undefined {
  if (brokers.length < brokerCount) return `knows brokers ${brokers.map(({ nodeId }) => nodeId).join(", ")}`;
  const found = topics[0]?.partitions ?? [];
  if (found.length < partitions) return `shows ${found.length} partitions`;
  for (const { partitionIndex, leaderId, replicaNodes, isrNodes, offlineReplicas } of found) {
    const name = `partition ${partitionIndex}`;
    if (replicaNodes.length < replicationFactor) return `${name} has replicas ${replicaNodes.join(", ")}`;
    if (isrNodes.length < replicationFactor) return `${name} is in sync at ${isrNodes.join(", ") || "none"}`;
    if (offlineReplicas.length > 0) return `${name} is offline at ${offlineReplicas.join(", ")}`;
    if (leaderId !== replicaNodes[0]) return `${name} is led by ${leaderId}, not by ${replicaNodes[0]}`;
  }
  return undefined;
}

export async function metadataOf({ host, port }: ClusterBroker, topic: string): Promise<MetadataResponse> {
  const signal = AbortSignal.timeout(ASK_MS_MAX);
  await using connection = await KafkaConnection.open({ host, port, clientId: "chaos" }, signal);
  await connection.negotiate(signal);
  const request = { topics: [{ name: topic }], allowAutoTopicCreation: false };
  return await connection.send(Apis.METADATA, connection.versionOf(Apis.METADATA), request, signal);
}
