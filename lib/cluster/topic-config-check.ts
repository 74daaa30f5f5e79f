import { defined } from "#lib/util/assert.ts";
import { CONFIG_ALTERATION_BYTES_MAX, CONFIG_VALUE_LENGTH_MAX } from "#lib/util/limits.ts";
import { faultOf, integerOf, normalised } from "./config-definition.ts";
import { type BrokerConfigLayers, topicConfigValue } from "./effective-configs.ts";
import { topicConfigDefinition } from "./topic-configs.ts";

// What makes a topic's configs invalid. Every text goes with INVALID_CONFIG.

/** What is wrong with `configs` as those of one topic; undefined if nothing is. */
export function topicConfigsFault(
  layers: BrokerConfigLayers,
  topic: { readonly configs: ReadonlyMap<string, string>; readonly replicationFactor: number },
): string | undefined {
  for (const [key, value] of topic.configs) {
    const fault = topicConfigFault(key, value);
    if (fault !== undefined) return fault;
  }
  if (topic.configs.get("remote.storage.enable")?.trim().toLowerCase() === "true") {
    return "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.";
  }
  const effective = (name: string) => {
    const definition = defined(topicConfigDefinition(name), name);
    return defined(topicConfigValue(layers, topic, definition), name);
  };
  const minLagMs = effective("min.compaction.lag.ms");
  const maxLagMs = effective("max.compaction.lag.ms");
  if (integerOf(minLagMs) > integerOf(maxLagMs)) {
    return `conflict topic config setting min.compaction.lag.ms (${minLagMs}) > max.compaction.lag.ms (${maxLagMs})`;
  }
  return undefined;
}

function topicConfigFault(key: string, value: string): string | undefined {
  const definition = topicConfigDefinition(key);
  if (definition === undefined) return `Unknown topic config name: ${key}`;
  if (value.length > CONFIG_VALUE_LENGTH_MAX) return tooLongMessage(key);
  return faultOf(definition, value);
}

export function tooLongMessage(key: string): string {
  return `The value of ${key} cannot be added because it exceeds the maximum value size of ${CONFIG_VALUE_LENGTH_MAX} bytes.`;
}

/** Valid configs as they are stored: each value as Kafka writes it. */
export function storedTopicConfigs(configs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(
    [...configs].map(([key, value]) => [key, normalised(defined(topicConfigDefinition(key), key), value)]),
  );
}

/** Whether `texts` fit together in one command. */
export function fitsInOneCommand(texts: Iterable<string>): boolean {
  let bytes = 0;
  for (const text of texts) bytes += Buffer.byteLength(text) + 5;
  return bytes <= CONFIG_ALTERATION_BYTES_MAX;
}
