import type { BrokerConfigDefinition } from "#lib/cluster/broker-config-definition.ts";
import type { ConfigDefinition, ConfigType as DeclaredType } from "#lib/cluster/config-definition.ts";
import type { EffectiveConfig, ConfigSource as Source } from "#lib/cluster/effective-configs.ts";
import type { GroupConfigDefinition } from "#lib/cluster/group-configs.ts";
import { type TopicConfigDefinition, topicConfigDocumentation } from "#lib/cluster/topic-configs.ts";
import { ConfigSource, ConfigType } from "#lib/protocol/messages/describe-configs.ts";

// Configs as DescribeConfigs shows them; CreateTopics answers a part of the same.

export interface ConfigEntryOptions {
  readonly includeSynonyms: boolean;
  readonly includeDocumentation: boolean;
}

const SOURCES: { readonly [source in Source]: number } = {
  topic: ConfigSource.TOPIC,
  group: ConfigSource.GROUP,
  broker: ConfigSource.DYNAMIC_BROKER,
  "all-brokers": ConfigSource.DYNAMIC_DEFAULT_BROKER,
  start: ConfigSource.STATIC_BROKER,
  default: ConfigSource.DEFAULT,
};

const TYPES: { readonly [type in DeclaredType]: number } = {
  boolean: ConfigType.BOOLEAN,
  string: ConfigType.STRING,
  int: ConfigType.INT,
  short: ConfigType.SHORT,
  long: ConfigType.LONG,
  double: ConfigType.DOUBLE,
  list: ConfigType.LIST,
  class: ConfigType.CLASS,
  password: ConfigType.PASSWORD,
};

export function configSource(effective: EffectiveConfig): number {
  return SOURCES[effective.source];
}

export function topicConfigEntry(
  effective: EffectiveConfig,
  definition: TopicConfigDefinition,
  options: ConfigEntryOptions,
) {
  const documentation = topicConfigDocumentation(definition);
  return { ...configEntry(effective, { ...definition, documentation }, options), readOnly: false };
}

export function brokerConfigEntry(
  effective: EffectiveConfig,
  definition: BrokerConfigDefinition,
  options: ConfigEntryOptions,
) {
  return { ...configEntry(effective, definition, options), readOnly: definition.updateMode === "read-only" };
}

export function groupConfigEntry(
  effective: EffectiveConfig,
  definition: GroupConfigDefinition,
  options: ConfigEntryOptions,
) {
  return { ...configEntry(effective, definition, options), readOnly: false };
}

function configEntry(effective: EffectiveConfig, definition: ConfigDefinition, options: ConfigEntryOptions) {
  const isSensitive = definition.type === "password";
  const shown = (value: string | null) => (isSensitive ? null : value);
  return {
    name: effective.name,
    value: shown(effective.value),
    isDefault: effective.source === "default",
    configSource: SOURCES[effective.source],
    isSensitive,
    synonyms: options.includeSynonyms
      ? effective.synonyms.map(({ name, value, source }) => ({ name, value: shown(value), source: SOURCES[source] }))
      : [],
    configType: TYPES[definition.type],
    documentation: options.includeDocumentation ? definition.documentation : null,
  };
}
