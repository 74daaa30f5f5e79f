import { z } from "zod";
import type { RequestedAlteration } from "#lib/cluster/config-alteration.ts";
import { topicResource } from "../access.ts";
import { type Call, type Endpoint, endpoint } from "../endpoint.ts";
import { findTopic } from "../find-topic.ts";
import {
  ALTERATION_BODY,
  alterationOf,
  alterationOfOne,
  CONFIG_FIELDS,
  type ConfigFields,
  configNamed,
  configParam,
  defaultTopicConfigs,
  exampleConfig,
  requireDone,
  requireTopicConfig,
  topicConfigs,
  VALUE_BODY,
} from "../v3-configs.ts";
import {
  clusterParams,
  EXAMPLE_URLS,
  inCluster,
  listSchema,
  NO_CLUSTER,
  NO_TOPIC,
  resourceSchema,
  topicInCluster,
  type V3Urls,
  v3Urls,
} from "../v3-resource.ts";

const TAG = "configs (v3)";
const KIND = "KafkaTopicConfig";
const DEFAULT_KIND = "KafkaTopicDefaultConfig";

const TopicConfig = resourceSchema(KIND, { topic_name: z.string(), ...CONFIG_FIELDS });
const TopicConfigList = listSchema(KIND, TopicConfig);
const DefaultConfig = resourceSchema(DEFAULT_KIND, { topic_name: z.string(), ...CONFIG_FIELDS });

const configInTopic = topicInCluster.extend({ name: configParam });
const NO_CONFIG = `${NO_TOPIC.slice(0, -1)} or config.`;
const INVALID = "400: the value is none for this config, or does not go with the others.";

const EXAMPLE = configData(EXAMPLE_URLS, "orders", exampleConfig("retention.ms", "DYNAMIC_TOPIC_CONFIG"));

const listOfAllTopics = endpoint(
  {
    ...inCluster(TAG, "/topics/-/configs"),
    method: "get",
    operationId: "v3ListConfigsOfAllTopics",
    summary: "The configs of all topics",
    params: clusterParams,
    answers: {
      200: {
        description: "By topic and name.",
        schema: TopicConfigList,
        example: EXAMPLE_URLS.list(KIND, [EXAMPLE], "topics", "-", "configs"),
      },
    },
    refusals: { 404: `404: ${NO_CLUSTER}.` },
  },
  async (call) => {
    const urls = v3Urls(call);
    await call.runtime.broker.cluster.refresh(call.signal);
    return urls.longList(KIND, configsOfAll(urls, call), "topics", "-", "configs");
  },
);

const listConfigs = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/configs"),
    method: "get",
    operationId: "v3ListTopicConfigs",
    summary: "The configs of a topic",
    params: topicInCluster,
    answers: {
      200: {
        description: "Every config that holds for the topic, defaults among them, by name.",
        schema: TopicConfigList,
        example: EXAMPLE_URLS.list(KIND, [EXAMPLE], "topics", "orders", "configs"),
      },
    },
    refusals: { 404: NO_TOPIC },
  },
  async (call) => {
    const urls = v3Urls(call);
    const topic = await findTopic(call.params.topic_name, "describe", call);
    const data = topicConfigs(topic, call.runtime).map((config) => configData(urls, topic.name, config));
    return { value: urls.list(KIND, data, "topics", topic.name, "configs") };
  },
);

const listDefaults = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/default-configs"),
    method: "get",
    operationId: "v3ListDefaultTopicConfigs",
    summary: "What the configs of a topic would be if it set none itself",
    params: topicInCluster,
    answers: {
      200: {
        description: "By name.",
        schema: listSchema(DEFAULT_KIND, DefaultConfig),
        example: EXAMPLE_URLS.list(DEFAULT_KIND, [], "topics", "orders", "default-configs"),
      },
    },
    refusals: { 404: NO_TOPIC },
  },
  async (call) => {
    const urls = v3Urls(call);
    const topic = await findTopic(call.params.topic_name, "describe", call);
    const data = defaultTopicConfigs(topic, call.runtime).map((config) => ({
      ...urls.resource(DEFAULT_KIND, "topics", topic.name, "default-configs", config.name),
      topic_name: topic.name,
      ...config,
    }));
    return { value: urls.list(DEFAULT_KIND, data, "topics", topic.name, "default-configs") };
  },
);

const getConfig = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/configs/{name}"),
    method: "get",
    operationId: "v3GetTopicConfig",
    summary: "One config of a topic",
    params: configInTopic,
    answers: { 200: { description: "The config.", schema: TopicConfig, example: EXAMPLE } },
    refusals: { 404: NO_CONFIG },
  },
  async (call) => {
    const urls = v3Urls(call);
    const topic = await findTopic(call.params.topic_name, "describe", call);
    const config = configNamed(topicConfigs(topic, call.runtime), call.params.name);
    return { value: configData(urls, topic.name, config) };
  },
);

const setConfig = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/configs/{name}"),
    method: "put",
    operationId: "v3SetTopicConfig",
    summary: "Set one config of a topic",
    params: configInTopic,
    ...VALUE_BODY,
    answers: { 204: { description: "It is set." } },
    refusals: { 400: INVALID, 404: NO_CONFIG },
  },
  async (call) => {
    const { name } = call.params;
    return alter(call, () => {
      requireTopicConfig(name);
      return alterationOfOne({ kind: "set", key: name, value: call.body.value });
    });
  },
);

const resetConfig = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/configs/{name}"),
    method: "delete",
    operationId: "v3ResetTopicConfig",
    summary: "Set one config of a topic back to its default",
    params: configInTopic,
    answers: { 204: { description: "It is at its default." } },
    refusals: { 400: INVALID, 404: NO_CONFIG },
  },
  async (call) => {
    const { name } = call.params;
    return alter(call, () => {
      requireTopicConfig(name);
      return alterationOfOne({ kind: "delete", key: name });
    });
  },
);

const alterConfigs = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/configs:alter"),
    method: "post",
    operationId: "v3AlterTopicConfigs",
    summary: "Set several configs of a topic and set others back, all or none",
    params: topicInCluster,
    ...ALTERATION_BODY,
    answers: { 204: { description: "They are altered." } },
    refusals: { 400: INVALID, 404: NO_CONFIG },
  },
  async (call) => {
    const validateOnly = call.body.validate_only === true;
    return alter(call, () => alterationOf(call.body, requireTopicConfig), validateOnly);
  },
);

export const V3_TOPIC_CONFIG_ROUTES: readonly Endpoint[] = [
  listOfAllTopics,
  listConfigs,
  listDefaults,
  getConfig,
  setConfig,
  resetConfig,
  alterConfigs,
];

type TopicCall = Call<{ readonly cluster_id: string; readonly topic_name: string }>;

async function alter(call: TopicCall, requested: () => RequestedAlteration, validateOnly = false) {
  v3Urls(call);
  const { runtime, signal } = call;
  const { name } = await findTopic(call.params.topic_name, "alter", call);
  const { topicAdmin } = runtime.broker;
  requireDone(await topicAdmin.alterTopicConfigs(name, requested(), { validateOnly, signal }));
  return {};
}

function* configsOfAll(urls: V3Urls, { principal, runtime }: Pick<Call, "principal" | "runtime">) {
  const { cluster } = runtime.broker;
  for (const { name, topicId } of cluster.topics()) {
    const topic = principal.may("describe", topicResource(name)) ? cluster.topic(topicId) : undefined;
    if (topic === undefined) continue;
    for (const config of topicConfigs(topic, runtime)) yield configData(urls, name, config);
  }
}

function configData(urls: V3Urls, topic: string, config: ConfigFields) {
  return { ...urls.resource(KIND, "topics", topic, "configs", config.name), topic_name: topic, ...config };
}
