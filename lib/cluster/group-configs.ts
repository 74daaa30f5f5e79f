import { defined } from "#lib/util/assert.ts";
import { type ConfigDefinition, faultOf } from "./config-definition.ts";
import { COORDINATOR_CONFIGS } from "./coordinator-config-table.ts";

// The configs of a consumer group (KIP-848), by the names and with the terms of Kafka 4.3. Each stands before the broker
// config of the same name under `group.`, and most have to be between two others that say how far groups may go. Those of
// share and streams groups are unknown here, as such groups are.

export interface GroupConfigDefinition extends ConfigDefinition {
  /** The broker config that counts where the group has none. */
  readonly synonym: string;
  /** The broker configs between whose values it has to be. */
  readonly bounds: { readonly min: string; readonly max: string } | undefined;
}

/** The value of a broker config of an integer type. */
export type BrokerInteger = (name: string) => number;

const SESSION_TIMEOUT = "consumer.session.timeout.ms";
const HEARTBEAT_INTERVAL = "consumer.heartbeat.interval.ms";

/** Sorted by name. */
export const GROUP_CONFIGS: readonly GroupConfigDefinition[] = [
  bounded(
    "assignment.interval.ms",
    "Milliseconds between two assignments of the group. Millrace assigns at once, whatever this says.",
  ),
  {
    ...likeBroker("consumer.assignor.offload.enable"),
    bounds: undefined,
    documentation: "Whether Kafka assigns in a thread of its own. Nothing changes here.",
  },
  bounded("heartbeat.interval.ms", "Milliseconds between two heartbeats of a member of the group."),
  bounded("session.timeout.ms", "Milliseconds without a heartbeat after which a member leaves the group."),
];

const BY_NAME: ReadonlyMap<string, GroupConfigDefinition> = new Map(GROUP_CONFIGS.map((each) => [each.name, each]));

export function groupConfigDefinition(name: string): GroupConfigDefinition | undefined {
  return BY_NAME.get(name);
}

/** What is wrong with `configs` as those of one group, in Kafka's words; undefined if nothing is. Goes with INVALID_CONFIG. */
export function groupFault(configs: ReadonlyMap<string, string>, brokerInteger: BrokerInteger): string | undefined {
  for (const name of configs.keys()) if (!BY_NAME.has(name)) return `Unknown group config name: ${name}`;
  const set = GROUP_CONFIGS.flatMap((definition) => {
    const value = configs.get(definition.name);
    return value === undefined ? [] : [{ definition, value }];
  });
  for (const { definition, value } of set) {
    const fault = faultOf(definition, value);
    if (fault !== undefined) return fault;
  }
  for (const { definition, value } of set) {
    const fault = boundsFault(definition, Number(value), brokerInteger);
    if (fault !== undefined) return fault;
  }
  const effective = (name: string) => Number(configs.get(name) ?? brokerInteger(`group.${name}`));
  if (effective(SESSION_TIMEOUT) > effective(HEARTBEAT_INTERVAL)) return undefined;
  return `${SESSION_TIMEOUT} must be greater than ${HEARTBEAT_INTERVAL}`;
}

/**
 * What counts for a group with these configs. The bounds may have moved since a value was set: it is taken as near to it
 * as they permit, as on Kafka.
 */
export function effectiveGroupInteger(
  name: string,
  configs: ReadonlyMap<string, string>,
  brokerInteger: BrokerInteger,
): number {
  const { synonym, bounds } = defined(groupConfigDefinition(name), name);
  const own = configs.get(name);
  if (own === undefined) return brokerInteger(synonym);
  if (bounds === undefined) return Number(own);
  return Math.min(Math.max(Number(own), brokerInteger(bounds.min)), brokerInteger(bounds.max));
}

function boundsFault(
  { name, bounds }: GroupConfigDefinition,
  value: number,
  brokerInteger: BrokerInteger,
): string | undefined {
  if (bounds === undefined) return undefined;
  if (value < brokerInteger(bounds.min)) return `${name} must be greater than or equal to ${bounds.min}`;
  return value > brokerInteger(bounds.max) ? `${name} must be less than or equal to ${bounds.max}` : undefined;
}

function bounded(term: string, documentation: string): GroupConfigDefinition {
  const bounds = { min: `group.consumer.min.${term}`, max: `group.consumer.max.${term}` };
  return { ...likeBroker(`consumer.${term}`), bounds, documentation };
}

function likeBroker(name: string) {
  const synonym = `group.${name}`;
  const { updateMode: _, ...terms } = defined(
    COORDINATOR_CONFIGS.find((each) => each.name === synonym),
    synonym,
  );
  return { ...terms, name, synonym };
}
