import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { ErrorCode } from "#lib/protocol/error-code.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { itemOrError } from "./admin-request.ts";
import type { BrokerServices } from "./broker-services.ts";
import { highest, resolveTopics } from "./resolve-topics.ts";

export interface NamedPartitions {
  readonly name: string;
  readonly partitionIndexes: Iterable<number>;
}

/** The topic as it is when asked for, or why there is none to be seen. */
export type FindTopic = (name: string) => TopicView | ErrorCode;

/** `resolveTopics` for administrative requests by name: where it fails, every topic has that error. */
export async function findTopics(
  asked: readonly NamedPartitions[],
  services: BrokerServices,
  signal: AbortSignal,
): Promise<FindTopic> {
  const references = asked.map(({ name, partitionIndexes }) => ({
    name,
    topicId: ZERO_UUID,
    highestPartition: highest(partitionIndexes),
  }));
  const resolve = await itemOrError(services, () =>
    resolveTopics(services.cluster, references, { byId: false, signal }),
  );
  if (typeof resolve !== "function") return () => resolve.errorCode;
  return (name) => resolve({ name, topicId: ZERO_UUID });
}
