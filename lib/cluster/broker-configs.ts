import { LogError } from "#lib/util/errors.ts";
import { type BrokerConfigDefinition, int, long } from "./broker-config-definition.ts";
import { GENERAL_BROKER_CONFIGS } from "./broker-config-table.ts";
import { faultOf, normalised } from "./config-definition.ts";
import { COORDINATOR_CONFIGS } from "./coordinator-config-table.ts";
import { groupConfigsFault } from "./group-config-check.ts";
import { TOPIC_CONFIGS } from "./topic-configs.ts";

// Every broker config that is accepted. Most defaults of topic configs take over the type, bounds and default of their
// topic config; those of time have no default of their own where a coarser unit has one, as in Kafka.

const OWN_TERMS: readonly BrokerConfigDefinition[] = [
  long("log.retention.ms", null, "", { min: -1 }),
  int("log.retention.minutes", null, "", { min: -1 }),
  int("log.retention.hours", "168", "", { min: -1 }),
  long("log.roll.ms", null, "", { min: 1 }),
  int("log.roll.hours", "168", "", { min: 1 }),
  long("log.roll.jitter.ms", null, "", { min: 0 }),
  int("log.roll.jitter.hours", "0", "", { min: 0 }),
  long("log.flush.interval.ms", null, "", { min: 0 }),
  long("log.flush.scheduler.interval.ms", "9223372036854775807", "", { min: 0 }),
];

// The only defaults of topic configs that Kafka takes at start alone.
const READ_ONLY_TOPIC_DEFAULTS: ReadonlySet<string> = new Set([
  "log.retention.minutes",
  "log.retention.hours",
  "log.roll.hours",
  "log.roll.jitter.hours",
  "log.flush.scheduler.interval.ms",
]);

/** Sorted by name. */
export const BROKER_CONFIGS: readonly BrokerConfigDefinition[] = [
  ...GENERAL_BROKER_CONFIGS,
  ...COORDINATOR_CONFIGS,
  ...topicDefaults(),
].sort((a, b) => (a.name < b.name ? -1 : 1));

const BY_NAME: ReadonlyMap<string, BrokerConfigDefinition> = new Map(BROKER_CONFIGS.map((each) => [each.name, each]));

export function brokerConfigDefinition(name: string): BrokerConfigDefinition | undefined {
  return BY_NAME.get(name);
}

/** A broker config given at start that is unknown or has no valid value. */
export class BrokerConfigError extends LogError {
  override readonly name = "BrokerConfigError";
  override readonly kind = "invalid";
}

/**
 * The configs that a broker is started with, as text in Kafka's own form. A name given twice takes its last value. Those of
 * groups have to go together.
 * Throws `BrokerConfigError`.
 */
export function parseBrokerConfigs(entries: Iterable<readonly [name: string, value: string]>): Map<string, string> {
  const configs = new Map<string, string>();
  for (const [name, value] of entries) {
    const definition = brokerConfigDefinition(name);
    if (definition === undefined) throw new BrokerConfigError(`Unknown broker config name: ${name}`);
    const fault = faultOf(definition, value);
    if (fault !== undefined) throw new BrokerConfigError(fault);
    configs.set(name, normalised(definition, value));
  }
  const fault = groupConfigsFault(configs);
  if (fault !== undefined) throw new BrokerConfigError(fault);
  return configs;
}

function topicDefaults(): BrokerConfigDefinition[] {
  const ownTerms = new Map(OWN_TERMS.map((each) => [each.name, each]));
  return TOPIC_CONFIGS.flatMap((topicConfig) =>
    topicConfig.synonyms.map(({ name }): BrokerConfigDefinition => {
      const terms = ownTerms.get(name) ?? topicConfig;
      return {
        name,
        type: terms.type,
        default: terms.default,
        ...(terms.valid === undefined ? {} : { valid: terms.valid }),
        documentation: `Default of the topic config ${topicConfig.name}. ${topicConfig.documentation}`,
        updateMode: READ_ONLY_TOPIC_DEFAULTS.has(name) ? "read-only" : "cluster-wide",
      };
    }),
  );
}
