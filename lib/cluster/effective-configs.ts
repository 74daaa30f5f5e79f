import type { BrokerConfigDefinition } from "./broker-config-definition.ts";
import { brokerConfigDefinition } from "./broker-configs.ts";
import type { GroupConfigDefinition } from "./group-configs.ts";
import { TOPIC_CONFIGS, type TopicConfigDefinition } from "./topic-configs.ts";

// Which value counts, and where it comes from. The nearest layer wins: the topic or group, this broker, all brokers, what the
// broker was started with, the default. A topic's or group's config looks through the broker configs that stand behind it.

export type ConfigSource = "topic" | "group" | "broker" | "all-brokers" | "start" | "default";

export interface SourcedValue {
  readonly name: string;
  readonly value: string;
  readonly source: ConfigSource;
}

export interface EffectiveConfig {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
  /** Every place that sets it, the one that counts first, as DescribeConfigs shows them. */
  readonly synonyms: readonly SourcedValue[];
}

export interface BrokerConfigLayers {
  /** Set on this broker while it runs. */
  readonly broker: ReadonlyMap<string, string>;
  /** Set on all brokers while they run. */
  readonly allBrokers: ReadonlyMap<string, string>;
  /** Given at start. */
  readonly start: ReadonlyMap<string, string>;
  /** Defaults that depend on the installation, in the place of those that the definitions declare. */
  readonly defaults: ReadonlyMap<string, string>;
}

const MIN_INSYNC = "min.insync.replicas";

const SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map(
  TOPIC_CONFIGS.flatMap(({ synonyms }) => {
    const names = synonyms.map(({ name }) => name);
    return names.map((name) => [name, names] as const);
  }),
);

export function effectiveBrokerConfig(layers: BrokerConfigLayers, definition: BrokerConfigDefinition): EffectiveConfig {
  const { name } = definition;
  const synonyms = brokerSynonyms(layers, name);
  return {
    name,
    value: brokerValue(layers, name),
    source: synonyms[0]?.name === name ? synonyms[0].source : "default",
    synonyms,
  };
}

export function effectiveTopicConfig(
  layers: BrokerConfigLayers,
  topic: { readonly configs: ReadonlyMap<string, string>; readonly replicationFactor: number },
  definition: TopicConfigDefinition,
): EffectiveConfig {
  const { name } = definition;
  const own = topic.configs.get(name);
  const inherited = inheritedConfig(layers, topic.replicationFactor, definition);
  if (own === undefined) return inherited;
  return {
    name,
    value: own,
    source: "topic",
    synonyms: [{ name, value: own, source: "topic" }, ...inherited.synonyms],
  };
}

export function effectiveGroupConfig(
  layers: BrokerConfigLayers,
  configs: ReadonlyMap<string, string>,
  { name, synonym }: GroupConfigDefinition,
): EffectiveConfig {
  const inherited = brokerSynonyms(layers, synonym);
  const own = configs.get(name);
  if (own === undefined) {
    return {
      name,
      value: brokerValue(layers, synonym),
      source: inherited[0]?.source ?? "default",
      synonyms: inherited,
    };
  }
  return { name, value: own, source: "group", synonyms: [{ name, value: own, source: "group" }, ...inherited] };
}

/** The value alone, without the places that set it: settings are made for every topic. */
export function topicConfigValue(
  layers: BrokerConfigLayers,
  topic: { readonly configs: ReadonlyMap<string, string>; readonly replicationFactor: number },
  definition: TopicConfigDefinition,
): string | null {
  return topic.configs.get(definition.name) ?? inheritedValue(layers, topic.replicationFactor, definition);
}

function inheritedConfig(
  layers: BrokerConfigLayers,
  replicationFactor: number,
  definition: TopicConfigDefinition,
): EffectiveConfig {
  const { name } = definition;
  const value = inheritedValue(layers, replicationFactor, definition);
  if (hasOwnDefault(layers, name)) {
    return { name, value, source: "default", synonyms: [{ name, value: value ?? "", source: "default" }] };
  }
  const [first] = definition.synonyms;
  const found = first === undefined ? [] : brokerSynonyms(layers, first.name);
  return { name, value, source: found[0]?.source ?? "default", synonyms: found };
}

/** Where nobody has set it, this one follows from the topic and not from a broker's default. */
function hasOwnDefault({ broker, allBrokers, start }: BrokerConfigLayers, name: string): boolean {
  return name === MIN_INSYNC && !broker.has(name) && !allBrokers.has(name) && !start.has(name);
}

/** A majority: what a commit needs so that any two of them share a replica (docs/ARCHITECTURE.md section 3). */
export function defaultMinInsync(replicationFactor: number): number {
  return Math.floor(replicationFactor / 2) + 1;
}

function inheritedValue(
  layers: BrokerConfigLayers,
  replicationFactor: number,
  definition: TopicConfigDefinition,
): string | null {
  if (hasOwnDefault(layers, definition.name)) return String(defaultMinInsync(replicationFactor));
  for (const { name, factor } of definition.synonyms) {
    const value = brokerValue(layers, name);
    // A negative time is "for ever" in every unit.
    if (value !== null) return factor === undefined || value.startsWith("-") ? value : String(Number(value) * factor);
  }
  return definition.default;
}

function brokerValue(layers: BrokerConfigLayers, name: string): string | null {
  return (
    layers.broker.get(name) ??
    layers.allBrokers.get(name) ??
    layers.start.get(name) ??
    layers.defaults.get(name) ??
    brokerConfigDefinition(name)?.default ??
    null
  );
}

/** As Kafka lists them: layer by layer all names that mean the same, from the first that has the name asked for. */
function brokerSynonyms(layers: BrokerConfigLayers, name: string): readonly SourcedValue[] {
  const names = SYNONYMS.get(name) ?? [name];
  const found: SourcedValue[] = [];
  for (const [source, valueIn] of [
    ["broker", (each: string) => layers.broker.get(each)],
    ["all-brokers", (each: string) => layers.allBrokers.get(each)],
    ["start", (each: string) => layers.start.get(each)],
    ["default", (each: string) => layers.defaults.get(each) ?? brokerConfigDefinition(each)?.default ?? undefined],
  ] as const) {
    for (const each of names) {
      const value = valueIn(each);
      if (value !== undefined) found.push({ name: each, value, source });
    }
  }
  const first = found.findIndex((each) => each.name === name);
  return first === -1 ? [] : found.slice(first);
}
