import { z } from "zod";
import type { RequestedAlteration } from "#lib/cluster/config-alteration.ts";
import { CLUSTER, requireAccess } from "../access.ts";
import { type Call, type Endpoint, endpoint } from "../endpoint.ts";
import type { HttpServices } from "../http-services.ts";
import {
  ALTERATION_BODY,
  alterationOf,
  alterationOfOne,
  brokerConfigs,
  CONFIG_FIELDS,
  type ConfigFields,
  clusterConfigs,
  configNamed,
  configParam,
  exampleConfig,
  requireBrokerConfig,
  requireDone,
  VALUE_BODY,
} from "../v3-configs.ts";
import {
  clusterParams,
  EXAMPLE_URLS,
  inCluster,
  listSchema,
  NO_CLUSTER,
  resourceSchema,
  type V3Urls,
  v3Urls,
} from "../v3-resource.ts";
import { requireOwnId } from "./v3-clusters.ts";

// Configs of brokers in two places that are alike: `/brokers/{id}/configs` for this one, and `/broker-configs` for those
// that are set on all brokers while they run. Keys need the right to change the cluster, also to read.

const TAG = "configs (v3)";

/** One of the two places. */
interface Place {
  readonly kind: string;
  readonly path: string;
  /** The middle of operation ids. */
  readonly operand: string;
  readonly what: string;
  readonly params: z.ZodType<{ readonly cluster_id: string; readonly broker_id?: string }>;
  readonly configParams: z.ZodType<{ readonly cluster_id: string; readonly broker_id?: string; readonly name: string }>;
  readonly schema: z.ZodType;
  readonly list: z.ZodType;
  readonly example: ConfigFields;
  steps(brokerId: number): readonly (string | number)[];
  /** Fields beside those of every config. */
  fieldsOf(brokerId: number): Readonly<Record<string, unknown>>;
  configs(services: HttpServices): readonly ConfigFields[];
  /** As `TopicAdmin.alterBrokerConfigs` takes it. */
  brokerName(brokerId: number): string;
}

const brokerParams = clusterParams.extend({
  broker_id: z.string().meta({ description: "A broker's id.", example: "0" }),
});

const BROKER_KIND = "KafkaBrokerConfig";
const BrokerConfig = resourceSchema(BROKER_KIND, { broker_id: z.int(), ...CONFIG_FIELDS });

const OF_BROKER: Place = {
  kind: BROKER_KIND,
  path: "/brokers/{broker_id}/configs",
  operand: "Broker",
  what: "of a broker",
  params: brokerParams,
  configParams: brokerParams.extend({ name: configParam }),
  schema: BrokerConfig,
  list: listSchema(BROKER_KIND, BrokerConfig),
  example: exampleConfig("log.retention.ms", "DYNAMIC_BROKER_CONFIG"),
  steps: (brokerId) => ["brokers", brokerId, "configs"],
  fieldsOf: (broker_id) => ({ broker_id }),
  configs: brokerConfigs,
  brokerName: String,
};

const CLUSTER_KIND = "KafkaClusterConfig";
const ClusterConfig = resourceSchema(CLUSTER_KIND, { config_type: z.literal("BROKER"), ...CONFIG_FIELDS });

const OF_CLUSTER: Place = {
  kind: CLUSTER_KIND,
  path: "/broker-configs",
  operand: "Cluster",
  what: "of all brokers",
  params: clusterParams,
  configParams: clusterParams.extend({ name: configParam }),
  schema: ClusterConfig,
  list: listSchema(CLUSTER_KIND, ClusterConfig),
  example: exampleConfig("log.retention.ms", "DYNAMIC_DEFAULT_BROKER_CONFIG"),
  steps: () => ["broker-configs"],
  fieldsOf: () => ({ config_type: "BROKER" }),
  configs: clusterConfigs,
  brokerName: () => "",
};

const INVALID = "400: the value is none for this config, or it cannot be altered while brokers run.";
const NOT_FOUND = `404: ${NO_CLUSTER}, no such broker or config.`;

const listOfAllBrokers = endpoint(
  {
    ...inCluster(TAG, "/brokers/-/configs"),
    method: "get",
    operationId: "v3ListConfigsOfAllBrokers",
    summary: "The configs of the brokers that this process knows: its own",
    params: clusterParams,
    answers: { 200: { description: "By name.", schema: OF_BROKER.list } },
    refusals: { 404: NOT_FOUND },
  },
  async (call) => {
    const { urls, brokerId } = await placeOf(call);
    const data = brokerConfigs(call.runtime).map((config) => configData(OF_BROKER, urls, brokerId, config));
    return { value: urls.list(OF_BROKER.kind, data, "brokers", "-", "configs") };
  },
);

export const V3_BROKER_CONFIG_ROUTES: readonly Endpoint[] = [
  listOfAllBrokers,
  ...configRoutes(OF_BROKER),
  ...configRoutes(OF_CLUSTER),
];

function configRoutes(place: Place): readonly Endpoint[] {
  return [...readingRoutes(place), ...alteringRoutes(place)];
}

function readingRoutes(place: Place): readonly Endpoint[] {
  const { kind, path, operand, what, params, configParams, schema } = place;
  const example = configData(place, EXAMPLE_URLS, 0, place.example);
  const list = endpoint(
    {
      ...inCluster(TAG, path),
      method: "get",
      operationId: `v3List${operand}Configs`,
      summary: `The configs ${what}`,
      params,
      answers: {
        200: {
          description: "By name.",
          schema: place.list,
          example: EXAMPLE_URLS.list(kind, [example], ...place.steps(0)),
        },
      },
      refusals: { 404: NOT_FOUND },
    },
    async (call) => {
      const { urls, brokerId } = await placeOf(call);
      const data = place.configs(call.runtime).map((config) => configData(place, urls, brokerId, config));
      return { value: urls.list(kind, data, ...place.steps(brokerId)) };
    },
  );
  const get = endpoint(
    {
      ...inCluster(TAG, `${path}/{name}`),
      method: "get",
      operationId: `v3Get${operand}Config`,
      summary: `One config ${what}`,
      params: configParams,
      answers: { 200: { description: "The config.", schema, example } },
      refusals: { 404: NOT_FOUND },
    },
    async (call) => {
      const { urls, brokerId } = await placeOf(call);
      const config = configNamed(place.configs(call.runtime), call.params.name);
      return { value: configData(place, urls, brokerId, config) };
    },
  );
  return [list, get];
}

function alteringRoutes(place: Place): readonly Endpoint[] {
  const { path, operand, what, params, configParams } = place;
  const refusals = { 400: INVALID, 404: NOT_FOUND };
  const set = endpoint(
    {
      ...inCluster(TAG, `${path}/{name}`),
      method: "put",
      operationId: `v3Set${operand}Config`,
      summary: `Set one config ${what}`,
      params: configParams,
      ...VALUE_BODY,
      answers: { 204: { description: "It is set." } },
      refusals,
    },
    async (call) => {
      const { name } = call.params;
      return alter(place, call, () => {
        requireBrokerConfig(name);
        return alterationOfOne({ kind: "set", key: name, value: call.body.value });
      });
    },
  );
  const reset = endpoint(
    {
      ...inCluster(TAG, `${path}/{name}`),
      method: "delete",
      operationId: `v3Reset${operand}Config`,
      summary: `Set one config ${what} back to its default`,
      params: configParams,
      answers: { 204: { description: "It is at its default." } },
      refusals,
    },
    async (call) => {
      const { name } = call.params;
      return alter(place, call, () => {
        requireBrokerConfig(name);
        return alterationOfOne({ kind: "delete", key: name });
      });
    },
  );
  const alterSeveral = endpoint(
    {
      ...inCluster(TAG, `${path}:alter`),
      method: "post",
      operationId: `v3Alter${operand}Configs`,
      summary: `Set several configs ${what} and set others back, all or none`,
      params,
      ...ALTERATION_BODY,
      answers: { 204: { description: "They are altered." } },
      refusals,
    },
    async (call) => {
      const validateOnly = call.body.validate_only === true;
      return alter(place, call, () => alterationOf(call.body, requireBrokerConfig), validateOnly);
    },
  );
  return [set, reset, alterSeveral];
}

type PlaceCall = Call<{ readonly cluster_id: string; readonly broker_id?: string }>;

/** Whose configs a path names, as of now. */
async function placeOf(call: PlaceCall) {
  const urls = v3Urls(call);
  const { params, principal, runtime, signal } = call;
  requireAccess(principal, "alter", CLUSTER);
  const { brokerId } = runtime.broker.identity;
  if (params.broker_id !== undefined) requireOwnId(params.broker_id, runtime);
  await runtime.broker.cluster.refresh(signal);
  return { urls, brokerId };
}

async function alter(place: Place, call: PlaceCall, requested: () => RequestedAlteration, validateOnly = false) {
  const { brokerId } = await placeOf(call);
  const { runtime, signal } = call;
  const { topicAdmin } = runtime.broker;
  requireDone(await topicAdmin.alterBrokerConfigs(place.brokerName(brokerId), requested(), { validateOnly, signal }));
  return {};
}

function configData(place: Place, urls: V3Urls, brokerId: number, config: ConfigFields) {
  return {
    ...urls.resource(place.kind, ...place.steps(brokerId), config.name),
    ...place.fieldsOf(brokerId),
    ...config,
  };
}
