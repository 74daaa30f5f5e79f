import { brokerConfigDefinition } from "#lib/cluster/broker-configs.ts";
import { listItems } from "#lib/cluster/config-definition.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { LogError } from "#lib/util/errors.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { RequestContext } from "./request-context.ts";

// What group requests have in common.

/** The client's host as Kafka's tools show it: `/127.0.0.1`. */
export function clientHostOf({ clientAddress }: RequestContext): string {
  const end = clientAddress.lastIndexOf(":");
  return `/${end === -1 ? clientAddress : clientAddress.slice(0, end)}`;
}

const PROTOCOLS = defined(brokerConfigDefinition("group.coordinator.rebalance.protocols"));

/** Whether `group.coordinator.rebalance.protocols` permits groups of the consumer protocol. */
export function servesConsumerProtocol({ cluster }: BrokerServices): boolean {
  return listItems(cluster.brokerConfig(PROTOCOLS).value ?? "").includes("consumer");
}

/** Null in requests stands for undefined here. */
export function orUndefined<T>(value: T | null): T | undefined {
  return value ?? undefined;
}

/** The cluster journal as of now; an error that clients retry if it does not answer. */
export async function refreshCluster(services: BrokerServices, signal: AbortSignal): Promise<ErrorCode> {
  try {
    await services.cluster.refresh(signal);
    return ErrorCode.NONE;
  } catch (error) {
    if (signal.aborted) throw error;
    services.logger.warn("the cluster journal does not answer", { error: describeError(error) });
    const isPassing = error instanceof LogError && error.kind === "unavailable";
    return isPassing ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.UNKNOWN_SERVER_ERROR;
  }
}
