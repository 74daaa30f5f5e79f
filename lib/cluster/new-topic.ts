import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Random } from "#lib/runtime/random.ts";
import { type TopicId, uuidFromBytes } from "#lib/util/branded.ts";
import { PARTITIONS_PER_TOPIC_MAX } from "#lib/util/limits.ts";
import { type Refusal, refusal } from "./admin-result.ts";
import type { BrokerConfigLayers } from "./effective-configs.ts";
import { fitsInOneCommand, topicConfigsFault } from "./topic-config-check.ts";
import { topicNameFault } from "./topic-names.ts";

/** A topic as somebody asks for it. */
export interface NewTopic {
  readonly name: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** As text, not yet checked. */
  readonly configs: ReadonlyMap<string, string>;
}

/** What is wrong with a new topic, whatever other topics there are; in the order in which Kafka looks. */
export function newTopicFault(
  topic: NewTopic,
  cluster: { readonly layers: BrokerConfigLayers; readonly storeCount: number },
): Refusal | undefined {
  const { name, partitionCount, replicationFactor, configs } = topic;
  const { storeCount } = cluster;
  const nameFault = topicNameFault(name);
  if (nameFault !== undefined) return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, nameFault);
  if (replicationFactor < 1) {
    const message = "Replication factor must be larger than 0, or -1 to use the default value.";
    return refusal(ErrorCode.INVALID_REPLICATION_FACTOR, message);
  }
  if (partitionCount < 1) {
    const message = "Number of partitions was set to an invalid non-positive value.";
    return refusal(ErrorCode.INVALID_PARTITIONS, message);
  }
  if (partitionCount > PARTITIONS_PER_TOPIC_MAX) {
    const message = `A topic has at most ${PARTITIONS_PER_TOPIC_MAX} partitions.`;
    return refusal(ErrorCode.INVALID_PARTITIONS, message);
  }
  const configsFault = topicConfigsFault(cluster.layers, topic);
  if (configsFault !== undefined) return refusal(ErrorCode.INVALID_CONFIG, configsFault);
  if (!fitsInOneCommand([...configs].flat())) {
    return refusal(ErrorCode.INVALID_CONFIG, "The configs are too large together.");
  }
  if (replicationFactor > storeCount) {
    const message =
      `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ` +
      `${replicationFactor} cannot be reached because only ${storeCount} store(s) are registered.`;
    return refusal(ErrorCode.INVALID_REPLICATION_FACTOR, message);
  }
  return undefined;
}

/** A random id that no tool takes for an option: like Kafka's, it does not begin with `-`. */
export function newTopicId(random: Random): TopicId {
  for (;;) {
    const bytes = random.bytes(16);
    // Version 4, variant 1 (RFC 9562), which also rules out the ids that Kafka keeps for itself.
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const topicId = uuidFromBytes(bytes);
    if (!topicId.startsWith("-")) return topicId;
  }
}
