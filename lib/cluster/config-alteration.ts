import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type AdminResult, done, type Refusal, refusal } from "./admin-result.ts";
import { brokerConfigDefinition } from "./broker-configs.ts";
import type { ConfigAlteration, ConfigOperation } from "./cluster-command.ts";
import { type ConfigDefinition, faultOf, listItems, normalised } from "./config-definition.ts";
import type { BrokerConfigLayers } from "./effective-configs.ts";
import { alterConfigs } from "./fold-configs.ts";
import { type BrokerInteger, groupConfigDefinition, groupFault } from "./group-configs.ts";
import { fitsInOneCommand, tooLongMessage, topicConfigsFault } from "./topic-config-check.ts";
import { topicConfigDefinition } from "./topic-configs.ts";

// From what a client asks to a command: every alteration is checked against what it would lead to by this process's
// view, then written so that the fold can apply it to whatever stands there by then.

export type RequestedOperation =
  | { readonly kind: "set" | "append" | "subtract"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string };

export interface RequestedAlteration {
  /** AlterConfigs: what is not named goes back to its default. */
  readonly replacesAll: boolean;
  readonly operations: readonly RequestedOperation[];
}

export function checkTopicAlteration(
  topic: { readonly configs: ReadonlyMap<string, string>; readonly replicationFactor: number },
  requested: RequestedAlteration,
  layers: BrokerConfigLayers,
): AdminResult<ConfigAlteration> {
  const alteration = alterationOf(requested, topicConfigDefinition);
  if (alteration.kind === "refused") return alteration;
  const altered = alterConfigs(topic.configs, alteration.value);
  if (altered.kind === "too-long") return refusal(ErrorCode.INVALID_CONFIG, tooLongMessage(altered.key));
  const fault = topicConfigsFault(layers, { ...topic, configs: altered.configs });
  if (fault !== undefined) return refusal(ErrorCode.INVALID_CONFIG, fault);
  return done(stored(alteration.value, topicConfigDefinition));
}

export function checkGroupAlteration(
  standing: ReadonlyMap<string, string>,
  requested: RequestedAlteration,
  brokerInteger: BrokerInteger,
): AdminResult<ConfigAlteration> {
  const alteration = alterationOf(requested, groupConfigDefinition);
  if (alteration.kind === "refused") return alteration;
  const altered = alterConfigs(standing, alteration.value);
  if (altered.kind === "too-long") return refusal(ErrorCode.INVALID_CONFIG, tooLongMessage(altered.key));
  const fault = groupFault(altered.configs, brokerInteger);
  if (fault !== undefined) return refusal(ErrorCode.INVALID_CONFIG, fault);
  return done(stored(alteration.value, groupConfigDefinition));
}

/** Kafka answers all faults of broker configs with INVALID_REQUEST (KAFKA-13609), all but those of lists. */
export function checkBrokerAlteration(
  broker: { readonly name: string; readonly configs: ReadonlyMap<string, string> },
  requested: RequestedAlteration,
): AdminResult<ConfigAlteration> {
  const alteration = alterationOf(requested, brokerConfigDefinition);
  if (alteration.kind === "refused") return alteration;
  // What is not set may go back to its default, whatever it is: Kafka's tools clear throttles that they never set.
  const given = keysGiven(requested);
  const unknown = given.filter((key) => brokerConfigDefinition(key) === undefined);
  if (unknown.length > 0) return invalidBroker(broker.name, `Unknown broker config names: ${unknown.join(", ")}`);
  const fixed = given.filter((key) => brokerConfigDefinition(key)?.updateMode === "read-only");
  if (fixed.length > 0)
    return invalidBroker(broker.name, `Cannot update these configs dynamically: ${fixed.join(", ")}`);
  const altered = alterConfigs(broker.configs, alteration.value);
  if (altered.kind === "too-long") return invalidBroker(broker.name, tooLongMessage(altered.key));
  for (const [key, value] of altered.configs) {
    const definition = brokerConfigDefinition(key);
    const fault = definition && faultOf(definition, value);
    if (fault !== undefined) return invalidBroker(broker.name, fault);
  }
  return done(stored(alteration.value, brokerConfigDefinition));
}

function invalidBroker(name: string, reason: string): Refusal {
  const resource = `ConfigResource(type=BROKER, name='${name}')`;
  return refusal(ErrorCode.INVALID_REQUEST, `Invalid config value for resource ${resource}: ${reason}`);
}

function keysGiven(requested: RequestedAlteration): readonly string[] {
  return requested.operations.flatMap(({ kind, key }) => (kind === "delete" ? [] : [key]));
}

type Definitions = (key: string) => ConfigDefinition | undefined;

function alterationOf(requested: RequestedAlteration, definitionOf: Definitions): AdminResult<ConfigAlteration> {
  const operations: ConfigOperation[] = [];
  for (const operation of requested.operations) {
    if (operation.kind === "append" || operation.kind === "subtract") {
      const definition = definitionOf(operation.key);
      if (definition?.type !== "list") {
        const verb = operation.kind.toUpperCase();
        const message = `Can't ${verb} to key ${operation.key} because its type is not LIST.`;
        return refusal(ErrorCode.INVALID_CONFIG, message);
      }
      operations.push({ ...operation, kind: operation.kind, inherited: definition.default ?? "" });
    } else {
      operations.push(operation.kind === "delete" ? operation : { ...operation, kind: "set" });
    }
  }
  const texts = operations.flatMap((each) => ("value" in each ? [each.key, each.value] : [each.key]));
  if (!fitsInOneCommand(texts)) return refusal(ErrorCode.INVALID_CONFIG, "The configs are too large together.");
  return done({ replacesAll: requested.replacesAll, operations });
}

/** Each value as Kafka would show it, so that it need not be parsed to be shown. Takes valid values only. */
function stored(alteration: ConfigAlteration, definitionOf: Definitions): ConfigAlteration {
  return {
    ...alteration,
    operations: alteration.operations.map((each) => storedOperation(each, definitionOf(each.key))),
  };
}

function storedOperation(operation: ConfigOperation, definition: ConfigDefinition | undefined): ConfigOperation {
  switch (operation.kind) {
    case "set":
      return definition === undefined ? operation : { ...operation, value: normalised(definition, operation.value) };
    case "append":
    case "subtract":
      return { ...operation, value: listItems(operation.value).join(",") };
    case "delete":
      return operation;
  }
}
