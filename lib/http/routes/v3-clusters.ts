import { z } from "zod";
import { freshenShown } from "#lib/broker/leader-looks.ts";
import { CLUSTER, requireAccess } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import type { HttpServices } from "../http-services.ts";
import {
  CLUSTERS_PATH,
  clusterParams,
  EXAMPLE_URLS,
  inCluster,
  listSchema,
  NO_CLUSTER,
  notFound,
  Related,
  resourceSchema,
  shown,
  urlsOf,
  type V3Urls,
  v3Urls,
} from "../v3-resource.ts";
import { ReplicaList, replicaExample, replicasAt } from "./v3-partitions.ts";

// The cluster and its brokers as the REST Proxy's v3 shows them: those that run, and this process itself. Hosts and ports
// are those of the Kafka door, as a broker has registered them; a function has none.

const TAG = "clusters (v3)";
const KIND = "KafkaCluster";
const BROKER_KIND = "KafkaBroker";

const Cluster = resourceSchema(KIND, {
  controller: Related,
  acls: Related,
  brokers: Related,
  broker_configs: Related,
  consumer_groups: Related,
  topics: Related,
  partition_reassignments: Related,
});
const Broker = resourceSchema(BROKER_KIND, {
  broker_id: z.int(),
  host: z.string().nullable(),
  port: z.int().nullable(),
  rack: z.string().nullable(),
  configs: Related,
  partition_replicas: Related,
});

const listClusters = endpoint(
  {
    method: "get",
    path: CLUSTERS_PATH,
    area: "v3",
    tag: TAG,
    operationId: "v3ListClusters",
    summary: "The cluster that this is",
    answers: {
      200: {
        description: "Always one.",
        schema: listSchema(KIND, Cluster),
        example: clusterList(clusterData(EXAMPLE_URLS, 0)),
      },
    },
  },
  ({ request, runtime, principal }) => {
    requireAccess(principal, "describe", CLUSTER);
    return { value: clusterList(clusterData(urlsOf(request, runtime), runtime.broker.identity.brokerId)) };
  },
);

const getCluster = endpoint(
  {
    ...inCluster(TAG, ""),
    method: "get",
    operationId: "v3GetCluster",
    summary: "The cluster",
    params: clusterParams,
    answers: { 200: { description: "The cluster.", schema: Cluster, example: clusterData(EXAMPLE_URLS, 0) } },
    refusals: { 404: `404: ${NO_CLUSTER}.` },
  },
  (call) => {
    requireAccess(call.principal, "describe", CLUSTER);
    return { value: clusterData(v3Urls(call), call.runtime.broker.identity.brokerId) };
  },
);

const brokerExample = brokerData(EXAMPLE_URLS, { brokerId: 0, host: "broker-0.example.com", port: 9092, rack: null });

const listBrokers = endpoint(
  {
    ...inCluster(TAG, "/brokers"),
    method: "get",
    operationId: "v3ListBrokers",
    summary: "The brokers that run",
    params: clusterParams,
    answers: {
      200: {
        description: "By id; the process that answers is always among them.",
        schema: listSchema(BROKER_KIND, Broker),
        example: EXAMPLE_URLS.list(BROKER_KIND, [brokerExample], "brokers"),
      },
    },
    refusals: { 404: `404: ${NO_CLUSTER}.` },
  },
  (call) => {
    const urls = v3Urls(call);
    requireAccess(call.principal, "describe", CLUSTER);
    const brokers = runningBrokers(call.runtime).map((broker) => brokerData(urls, broker));
    return { value: urls.list(BROKER_KIND, brokers, "brokers") };
  },
);

const brokerParams = clusterParams.extend({
  broker_id: z.string().meta({ description: "A broker's id.", example: "0" }),
});

const getBroker = endpoint(
  {
    ...inCluster(TAG, "/brokers/{broker_id}"),
    method: "get",
    operationId: "v3GetBroker",
    summary: "One broker",
    params: brokerParams,
    answers: { 200: { description: "The broker.", schema: Broker, example: brokerExample } },
    refusals: { 404: `404: ${NO_CLUSTER}, or no such broker.` },
  },
  (call) => {
    const urls = v3Urls(call);
    requireAccess(call.principal, "describe", CLUSTER);
    return { value: brokerData(urls, requireBroker(call.params.broker_id, call.runtime)) };
  },
);

const listReplicasOfBroker = endpoint(
  {
    ...inCluster(TAG, "/brokers/{broker_id}/partition-replicas"),
    method: "get",
    operationId: "v3ListReplicasOfBroker",
    summary: "The replicas that a broker shows as its own",
    params: brokerParams,
    answers: {
      200: {
        description: "By topic and partition.",
        schema: ReplicaList,
        example: EXAMPLE_URLS.list("KafkaReplica", [replicaExample], "brokers", 0, "partition-replicas"),
      },
    },
    refusals: { 404: `404: ${NO_CLUSTER}, or no such broker.` },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { runtime, principal, signal } = call;
    requireAccess(principal, "describe", CLUSTER);
    const { brokerId } = requireBroker(call.params.broker_id, runtime);
    const { cluster } = runtime.broker;
    await cluster.refresh(signal);
    const placements = cluster.topics().flatMap(({ topicId }) => cluster.topic(topicId)?.placement ?? []);
    await freshenShown(placements, signal, runtime.broker);
    const replicas = replicasAt(brokerId, urls, runtime, principal);
    return urls.longList("KafkaReplica", replicas, "brokers", brokerId, "partition-replicas");
  },
);

export const V3_CLUSTER_ROUTES: readonly Endpoint[] = [
  listClusters,
  getCluster,
  listBrokers,
  getBroker,
  listReplicasOfBroker,
];

interface ShownBroker {
  readonly brokerId: number;
  /** Null if it has not told. */
  readonly host: string | null;
  readonly port: number | null;
  readonly rack: string | null;
}

function runningBrokers({ broker }: HttpServices): readonly ShownBroker[] {
  const { brokerId, rack } = broker.identity;
  const running = broker.cluster.runningBrokers().map(({ endpoints, ...each }) => ({
    brokerId: each.brokerId,
    rack: each.rack,
    host: endpoints[0]?.host ?? null,
    port: endpoints[0]?.port ?? null,
  }));
  if (running.some((each) => each.brokerId === brokerId)) return running;
  return [...running, { brokerId, rack, host: null, port: null }].sort((a, b) => a.brokerId - b.brokerId);
}

/** The broker that a path names, if it runs; else 404. */
function requireBroker(text: string, runtime: HttpServices): ShownBroker {
  const brokers = runningBrokers(runtime);
  const found = brokers.find(({ brokerId }) => String(brokerId) === text);
  if (found !== undefined) return found;
  const ids = brokers.map(({ brokerId }) => brokerId).join(", ");
  throw notFound(`There is no broker ${shown(text)} here; these run: ${ids}.`);
}

/** The id in a path if it is this process's: nobody else knows what a broker was started with. Else 404. */
export function requireOwnId(text: string, runtime: HttpServices): number {
  const { brokerId } = runtime.broker.identity;
  if (text === String(brokerId)) return brokerId;
  requireBroker(text, runtime);
  throw notFound(`Configs of broker ${shown(text)} are at that broker; this one is ${brokerId}.`);
}

function clusterList(cluster: ReturnType<typeof clusterData>) {
  const self = cluster.metadata.self.slice(0, cluster.metadata.self.lastIndexOf("/"));
  return { kind: `${KIND}List`, metadata: { self, next: null }, data: [cluster] };
}

function clusterData(urls: V3Urls, brokerId: number) {
  return {
    ...urls.resource(KIND),
    controller: urls.related("brokers", brokerId),
    acls: urls.related("acls"),
    brokers: urls.related("brokers"),
    broker_configs: urls.related("broker-configs"),
    consumer_groups: urls.related("consumer-groups"),
    topics: urls.related("topics"),
    partition_reassignments: urls.related("topics", "-", "partitions", "-", "reassignment"),
  };
}

function brokerData(urls: V3Urls, { brokerId, host, port, rack }: ShownBroker) {
  return {
    ...urls.resource(BROKER_KIND, "brokers", brokerId),
    broker_id: brokerId,
    host,
    port,
    rack,
    configs: urls.related("brokers", brokerId, "configs"),
    partition_replicas: urls.related("brokers", brokerId, "partition-replicas"),
  };
}
