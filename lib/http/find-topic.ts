import { findTopics } from "#lib/broker/find-topics.ts";
import { freshenShown } from "#lib/broker/leader-looks.ts";
import { hasPartition } from "#lib/broker/resolve-topics.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { topicNameFault } from "#lib/cluster/topic-names.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { type HttpOperation, requireAccess, topicResource } from "./access.ts";
import type { Call } from "./endpoint.ts";
import { httpErrorOf } from "./error-table.ts";
import { HttpError } from "./http-error.ts";
import type { HttpServices } from "./http-services.ts";

/** On whose behalf something is done. */
export type Caller = Pick<Call, "principal" | "runtime" | "signal">;

/**
 * The topic of that name, for who has the right: else 403. 404 with 40401 if there is none, or with 40402 if it lacks the
 * partition; both are said from a strong read alone.
 */
export async function findTopic(
  name: string,
  operation: HttpOperation,
  caller: Caller,
  partition = -1,
): Promise<TopicView> {
  requireAccess(caller.principal, operation, topicResource(name));
  // Whoever wants to see what a topic is like may have changed that a moment ago, through another process.
  if (operation === "describe") await readTopicsOn(caller);
  const topic = await lookUp(name, caller, partition);
  if (partition >= 0) requirePartition(topic, partition);
  if (operation === "describe") await freshenShown([topic.placement], caller.signal, caller.runtime.broker);
  return topic;
}

/** Has the topics shown as they are now, or as far as they are known while the journal cannot be read. */
export async function readTopicsOn({ runtime, signal }: Pick<Caller, "runtime" | "signal">): Promise<void> {
  const { cluster, logger } = runtime.broker;
  try {
    await cluster.refresh(signal);
  } catch (error) {
    signal.throwIfAborted();
    logger.warn("the cluster journal cannot be read", { error: describeError(error) });
  }
}

async function lookUp(name: string, { runtime, signal }: Caller, partition: number): Promise<TopicView> {
  // Every topic has a partition 0: one that is not known is looked for by a strong read.
  const find = await findTopics([{ name, partitionIndexes: [Math.max(partition, 0)] }], runtime.broker, signal);
  const found = find(name);
  if (typeof found !== "number") return found;
  if (found === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw unknownTopic(name);
  throw httpErrorOf(found);
}

/**
 * The topic that bears the name of `topic` by now, if it is another one. To be asked when the log says that `topic` is
 * gone: it says so after a strong read of the topics, and the view in which `topic` was found may be older.
 */
export function successorOf({ name, topicId }: TopicView, { broker }: HttpServices): TopicView | undefined {
  const topic = broker.cluster.topicByName(name);
  return topic?.topicId === topicId ? undefined : topic;
}

/**
 * The same for producers, who look at partitions themselves: those of a topic that has fewer than `partition` were read
 * anew. A missing topic is made if the broker's `auto.create.topics.enable` says so. The right to write does not do for
 * that, as on Kafka.
 */
export async function findTopicToWrite(name: string, caller: Caller, partition = -1): Promise<TopicView> {
  const { principal, runtime, signal } = caller;
  requireAccess(principal, "write", topicResource(name));
  const { cluster, topicAdmin } = runtime.broker;
  const known = cluster.topicByName(name);
  if (known !== undefined && partition < known.partitionCount) return known;
  try {
    return await lookUp(name, caller, partition);
  } catch (error) {
    const isMissing = error instanceof HttpError && error.errorCode === 40401;
    if (!isMissing || !cluster.brokerFlag("auto.create.topics.enable")) throw error;
  }
  const fault = topicNameFault(name);
  if (fault !== undefined) throw httpErrorOf(ErrorCode.INVALID_TOPIC_EXCEPTION, fault);
  requireAccess(principal, "create", topicResource(name));
  const created = await topicAdmin.createMissingTopic(name, signal);
  const topic = cluster.topicByName(name);
  if (topic !== undefined) return topic;
  throw created.kind === "refused" ? httpErrorOf(created.error, created.message) : unknownTopic(name);
}

/** 404 with 40402 unless the topic has the partition. */
export function requirePartition(topic: TopicView, partition: number): void {
  if (hasPartition(topic, partition)) return;
  const message = `Topic ${topic.name} has no partition ${partition}; it has ${topic.partitionCount}, counted from 0.`;
  throw new HttpError({ status: 404, errorCode: 40402, message });
}

function unknownTopic(name: string): HttpError {
  return new HttpError({ status: 404, errorCode: 40401, message: `There is no topic ${JSON.stringify(shown(name))}.` });
}

function shown(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
