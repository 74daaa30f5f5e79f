import { listItems } from "./config-definition.ts";
import { COORDINATOR_CONFIGS } from "./coordinator-config-table.ts";

// What broker configs of groups must be beside each other. Each is good by itself.

const HEARTBEAT = "heartbeat.interval.ms";
const SESSION = "session.timeout.ms";
const ASSIGNMENT = "assignment.interval.ms";

const DEFAULTS: ReadonlyMap<string, string | null> = new Map(
  COORDINATOR_CONFIGS.map((each) => [each.name, each.default]),
);

/** What is wrong with the configs that a broker is started with, in Kafka's words; undefined if nothing is. */
export function groupConfigsFault(configs: ReadonlyMap<string, string>): string | undefined {
  const value = (name: string) => configs.get(name) ?? DEFAULTS.get(name) ?? "";
  const isAtLeast = (one: string, other: string) => Number(value(one)) >= Number(value(other));
  for (const term of [HEARTBEAT, SESSION, ASSIGNMENT]) {
    const [name, min, max] = ["", "min.", "max."].map((bound) => `group.consumer.${bound}${term}`);
    if (name === undefined || min === undefined || max === undefined) continue;
    if (!isAtLeast(max, min)) return `${max} must be greater than or equal to ${min}`;
    if (!isAtLeast(name, min)) return `${name} must be greater than or equal to ${min}`;
    if (!isAtLeast(max, name)) return `${name} must be less than or equal to ${max}`;
  }
  const [heartbeat, session] = [`group.consumer.${HEARTBEAT}`, `group.consumer.${SESSION}`];
  if (isAtLeast(heartbeat, session)) return `${heartbeat} must be less than ${session}`;
  const protocols = listItems(value("group.coordinator.rebalance.protocols"));
  return protocols.includes("classic") ? undefined : "Disabling the 'classic' protocol is not supported.";
}
