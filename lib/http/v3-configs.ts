import { z } from "zod";
import { brokerConfigEntry, topicConfigEntry } from "#lib/broker/config-entries.ts";
import type { AdminResult } from "#lib/cluster/admin-result.ts";
import { BROKER_CONFIGS } from "#lib/cluster/broker-configs.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { RequestedAlteration, RequestedOperation } from "#lib/cluster/config-alteration.ts";
import { TOPIC_CONFIGS } from "#lib/cluster/topic-configs.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigSource } from "#lib/protocol/messages/describe-configs.ts";
import { httpErrorOf } from "./error-table.ts";
import type { HttpServices } from "./http-services.ts";
import { JSON_TYPE } from "./media-types.ts";
import { notFound, shown } from "./v3-resource.ts";

// Configs as the REST Proxy's v3 shows and alters them: of a topic, of this broker, of all brokers.

const SOURCES: ReadonlyMap<number, string> = new Map([
  [ConfigSource.TOPIC, "DYNAMIC_TOPIC_CONFIG"],
  [ConfigSource.DYNAMIC_BROKER, "DYNAMIC_BROKER_CONFIG"],
  [ConfigSource.DYNAMIC_DEFAULT_BROKER, "DYNAMIC_DEFAULT_BROKER_CONFIG"],
  [ConfigSource.STATIC_BROKER, "STATIC_BROKER_CONFIG"],
  [ConfigSource.DEFAULT, "DEFAULT_CONFIG"],
]);

const Source = z.enum([...SOURCES.values()]);

/** Fields that configs of every resource have. */
export const CONFIG_FIELDS = {
  name: z.string(),
  value: z.string().nullable().meta({ description: "Null for what is not told." }),
  is_default: z.boolean(),
  is_read_only: z.boolean(),
  is_sensitive: z.boolean(),
  source: Source,
  synonyms: z
    .array(z.object({ name: z.string(), value: z.string().nullable(), source: Source }))
    .meta({ description: "Every place that sets it, the one that counts first." }),
};

/** A config as documents show it: set where `source` says, over a default. */
export function exampleConfig(name: string, source: string): ConfigFields {
  const value = "86400000";
  const flags = { is_default: false, is_read_only: false, is_sensitive: false };
  const synonyms = [
    { name, value, source },
    { name: "log.retention.hours", value: "168", source: "DEFAULT_CONFIG" },
  ];
  return { name, value, ...flags, source, synonyms };
}

export const configParam = z.string().meta({ description: "Name of the config.", example: "retention.ms" });

export const VALUE_BODY = {
  body: { [JSON_TYPE]: z.strictObject({ value: z.string() }).meta({ id: "V3ConfigValue" }) },
  bodyExamples: { [JSON_TYPE]: { value: "86400000" } },
} as const;

const Alteration = z
  .strictObject({
    data: z
      .array(
        z.strictObject({
          name: z.string(),
          value: z.string().nullish(),
          operation: z.enum(["SET", "DELETE"]).nullish().meta({ description: "SET where left out." }),
        }),
      )
      .min(1),
    validate_only: z.boolean().nullish().meta({ description: "Everything is checked and nothing is altered." }),
  })
  .meta({ id: "V3ConfigAlteration" });

export const ALTERATION_BODY = {
  body: { [JSON_TYPE]: Alteration },
  bodyExamples: {
    [JSON_TYPE]: {
      data: [
        { name: "cleanup.policy", operation: "DELETE" },
        { name: "retention.ms", value: "86400000" },
      ],
    },
  },
} as const;

const ENTRY_OPTIONS = { includeSynonyms: true, includeDocumentation: false };

export type ConfigFields = ReturnType<typeof fieldsOf>;

export function topicConfigs(topic: TopicView, { broker }: HttpServices): readonly ConfigFields[] {
  return TOPIC_CONFIGS.map((definition) =>
    fieldsOf(topicConfigEntry(broker.cluster.topicConfig(topic, definition), definition, ENTRY_OPTIONS)),
  );
}

/** What a topic would have that sets nothing itself. */
export function defaultTopicConfigs(topic: TopicView, services: HttpServices): readonly ConfigFields[] {
  return topicConfigs({ ...topic, configs: new Map() }, services);
}

/** Of this broker, all of them. */
export function brokerConfigs({ broker }: HttpServices): readonly ConfigFields[] {
  return BROKER_CONFIGS.map((definition) =>
    fieldsOf(brokerConfigEntry(broker.cluster.brokerConfig(definition), definition, ENTRY_OPTIONS)),
  );
}

/** Those that are set for all brokers while they run. */
export function clusterConfigs({ broker }: HttpServices): readonly ConfigFields[] {
  const standing = broker.cluster.dynamicBrokerConfigs("");
  return BROKER_CONFIGS.flatMap((definition) => {
    const { name } = definition;
    const value = standing.get(name);
    if (value === undefined) return [];
    const source = "all-brokers" as const;
    const effective = { name, value, source, synonyms: [{ name, value, source }] };
    return [fieldsOf(brokerConfigEntry(effective, definition, ENTRY_OPTIONS))];
  });
}

/** The config of that name among `configs`; 404 if it is not there. */
export function configNamed(configs: readonly ConfigFields[], name: string): ConfigFields {
  const found = configs.find((config) => config.name === name);
  if (found === undefined) throw notFound(`There is no config ${shown(name)} here.`);
  return found;
}

export function requireTopicConfig(name: string): void {
  if (TOPIC_CONFIGS.some((definition) => definition.name === name)) return;
  throw notFound(`Topics have no config ${shown(name)}.`);
}

export function requireBrokerConfig(name: string): void {
  if (BROKER_CONFIGS.some((definition) => definition.name === name)) return;
  throw notFound(`Brokers have no config ${shown(name)}.`);
}

/** What to alter by one config's route. */
export function alterationOfOne(operation: RequestedOperation): RequestedAlteration {
  return { replacesAll: false, operations: [operation] };
}

/** What to alter by `configs:alter`. Fails with 400 for a name that stands twice or lacks its value. */
export function alterationOf(
  { data }: z.output<typeof Alteration>,
  requireConfig: (name: string) => void,
): RequestedAlteration {
  const names = new Set<string>();
  const operations = data.map(({ name, value, operation }): RequestedOperation => {
    requireConfig(name);
    if (names.has(name)) throw httpErrorOf(ErrorCode.INVALID_REQUEST, `${name} stands there more than once.`);
    names.add(name);
    if (operation === "DELETE") return { kind: "delete", key: name };
    if (typeof value === "string") return { kind: "set", key: name, value };
    throw httpErrorOf(ErrorCode.INVALID_REQUEST, `${name} has no value; to go back to the default, DELETE it.`);
  });
  return { replacesAll: false, operations };
}

/** Fails with `HttpError` where what was asked for was refused. */
export function requireDone(result: AdminResult<unknown>): void {
  if (result.kind === "refused") throw httpErrorOf(result.error, result.message);
}

function fieldsOf(entry: ReturnType<typeof brokerConfigEntry>) {
  const { name, value, isDefault, readOnly, isSensitive, configSource, synonyms } = entry;
  return {
    name,
    value,
    is_default: isDefault,
    is_read_only: readOnly,
    is_sensitive: isSensitive,
    source: sourceOf(configSource),
    synonyms: synonyms.map((synonym) => ({ ...synonym, source: sourceOf(synonym.source) })),
  };
}

function sourceOf(source: number): string {
  return SOURCES.get(source) ?? "UNKNOWN";
}
