import { BROKER_CONFIGS } from "#lib/cluster/broker-configs.ts";
import { GROUP_CONFIGS } from "#lib/cluster/group-configs.ts";
import { TOPIC_CONFIGS } from "#lib/cluster/topic-configs.ts";
import { topicNameFault } from "#lib/cluster/topic-names.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigResourceType, type DescribeConfigsRequest } from "#lib/protocol/messages/describe-configs.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { type ItemError, itemError, itemOrError, NO_ERROR } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { brokerConfigEntry, type ConfigEntryOptions, groupConfigEntry, topicConfigEntry } from "../config-entries.ts";
import { brokerNameFault, unsupportedResource } from "../config-resources.ts";
import { handler } from "../handler.ts";

// DescribeConfigs v0-4.
// - Topics, and brokers: this one with all its configs; with an empty name those that are set for all brokers.
// - Groups, whether they are there or not, with the configs of consumer groups.
// - Keys that do not exist are left out; no keys at all mean every key, as null does.
// - Loggers: none. Other resources are INVALID_REQUEST, as a Kafka broker answers what it does not have.
// v1 adds sources and synonyms, v3 types and documentation.

type Resource = DescribeConfigsRequest["resources"][number];

export const describeConfigs = handler(Apis.DESCRIBE_CONFIGS, async (request, { signal }, services) => {
  const options = { ...request, signal };
  const results = await mapInChunks(request.resources, ADMIN_ITEMS_AT_ONCE_MAX, async (resource) => {
    const { resourceType, resourceName } = resource;
    const described = await itemOrError(services, () => describe(resource, options, services));
    return "errorCode" in described
      ? { ...described, resourceType, resourceName, configs: [] }
      : { ...NO_ERROR, resourceType, resourceName, configs: described };
  });
  return { throttleTimeMs: 0, results };
});

async function describe(
  resource: Resource,
  options: ConfigEntryOptions & { readonly signal: AbortSignal },
  services: BrokerServices,
) {
  switch (resource.resourceType) {
    case ConfigResourceType.TOPIC:
      return describeTopic(resource, options, services);
    case ConfigResourceType.BROKER:
      return describeBroker(resource, options, services);
    case ConfigResourceType.GROUP:
      return describeGroup(resource, options, services);
    case ConfigResourceType.BROKER_LOGGER:
      if (resource.resourceName === "") return itemError(ErrorCode.INVALID_REQUEST, "Broker id must not be empty");
      return brokerNameFault(resource.resourceName, services) ?? [];
    default:
      return unsupportedResource(resource.resourceType);
  }
}

async function describeTopic(
  resource: Resource,
  options: ConfigEntryOptions & { readonly signal: AbortSignal },
  { cluster }: BrokerServices,
) {
  const name = resource.resourceName;
  const nameFault = topicNameFault(name);
  if (nameFault !== undefined) return itemError(ErrorCode.INVALID_TOPIC_EXCEPTION, nameFault);
  if (cluster.topicByName(name) === undefined) await cluster.refresh(options.signal);
  const topic = cluster.topicByName(name);
  if (topic === undefined) return itemError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  return TOPIC_CONFIGS.filter(isAskedFor(resource)).map((definition) =>
    topicConfigEntry(cluster.topicConfig(topic, definition), definition, options),
  );
}

async function describeGroup(
  resource: Resource,
  options: ConfigEntryOptions & { readonly signal: AbortSignal },
  { cluster }: BrokerServices,
) {
  const groupId = resource.resourceName;
  if (groupId === "") return itemError(ErrorCode.INVALID_REQUEST, "Group name must not be empty");
  if (cluster.groupConfigs(groupId).size === 0) await cluster.refresh(options.signal);
  return GROUP_CONFIGS.filter(isAskedFor(resource)).map((definition) =>
    groupConfigEntry(cluster.groupConfig(groupId, definition), definition, options),
  );
}

function describeBroker(resource: Resource, options: ConfigEntryOptions, services: BrokerServices) {
  const { cluster } = services;
  if (resource.resourceName !== "") {
    const fault: ItemError | undefined = brokerNameFault(resource.resourceName, services);
    if (fault !== undefined) return fault;
    return BROKER_CONFIGS.filter(isAskedFor(resource)).map((definition) =>
      brokerConfigEntry(cluster.brokerConfig(definition), definition, options),
    );
  }
  const standing = cluster.dynamicBrokerConfigs("");
  return BROKER_CONFIGS.filter(({ name }) => standing.has(name))
    .filter(isAskedFor(resource))
    .map((definition) => {
      const { name } = definition;
      const value = standing.get(name) ?? null;
      const source = "all-brokers" as const;
      const synonyms = value === null ? [] : [{ name, value, source }];
      return brokerConfigEntry({ name, value, source, synonyms }, definition, options);
    });
}

function isAskedFor({ configurationKeys }: Resource): (definition: { readonly name: string }) => boolean {
  if (configurationKeys === null || configurationKeys.length === 0) return () => true;
  const keys = new Set(configurationKeys);
  return ({ name }) => keys.has(name);
}
