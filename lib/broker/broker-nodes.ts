import type { BrokerState } from "#lib/cluster/broker-state.ts";
import type { BrokerId } from "#lib/util/branded.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { ListenerInfo } from "./request-context.ts";

/** A broker with the address at which the clients of one listener find it. */
export interface BrokerNode {
  readonly brokerId: BrokerId;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  readonly isFenced: boolean;
}

type NodeServices = Pick<BrokerServices, "identity" | "cluster">;

/**
 * The brokers that run, ascending, each by its listener of the connection's name, or by its first one if it has none of
 * that name. This broker is always among them, at the address of the very listener, also before it is registered.
 */
export function runningNodes(services: NodeServices, listener: ListenerInfo): readonly BrokerNode[] {
  return nodesOf(services, listener, services.cluster.runningBrokers());
}

/** All that were ever registered; those that do not run are shown as fenced. */
export function registeredNodes(services: NodeServices, listener: ListenerInfo): readonly BrokerNode[] {
  return nodesOf(services, listener, services.cluster.brokers());
}

/** The running ones among `brokerIds`. */
export function nodesAmong(
  brokerIds: ReadonlySet<BrokerId>,
  services: NodeServices,
  listener: ListenerInfo,
): readonly BrokerNode[] {
  if (brokerIds.size === 0) return [];
  return runningNodes(services, listener).filter(({ brokerId }) => brokerIds.has(brokerId));
}

/** As the answers to Metadata, Produce and Fetch name their fields. */
export function endpointAnswer({ brokerId, host, port, rack }: BrokerNode) {
  return { nodeId: brokerId, host, port, rack };
}

function nodesOf(
  { identity }: NodeServices,
  listener: ListenerInfo,
  brokers: readonly Readonly<BrokerState>[],
): readonly BrokerNode[] {
  const { brokerId, rack } = identity;
  const own = { brokerId, host: listener.advertisedHost, port: listener.advertisedPort, rack, isFenced: false };
  const others = brokers.filter((each) => each.brokerId !== brokerId).flatMap((each) => nodeOf(each, listener));
  return [own, ...others].sort((a, b) => a.brokerId - b.brokerId);
}

function nodeOf({ brokerId, endpoints, rack, status }: Readonly<BrokerState>, listener: ListenerInfo): BrokerNode[] {
  const endpoint = endpoints.find(({ name }) => name === listener.name) ?? endpoints[0];
  if (endpoint === undefined) return [];
  const { host, port } = endpoint;
  return [{ brokerId, host, port, rack, isFenced: status !== "running" }];
}
