import type { ConfigDefinition, ValidValues } from "./config-definition.ts";

/** Whether a broker config may change while brokers run, by the names that Kafka's documentation uses. */
export type UpdateMode = "read-only" | "cluster-wide";

export interface BrokerConfigDefinition extends ConfigDefinition {
  readonly updateMode: UpdateMode;
}

export interface BrokerConfigOptions {
  readonly min?: number;
  readonly valid?: ValidValues;
  readonly update?: UpdateMode;
}

type Define = (
  name: string,
  defaultValue: string | null,
  documentation: string,
  options?: BrokerConfigOptions,
) => BrokerConfigDefinition;

function definer(type: ConfigDefinition["type"]): Define {
  return (name, defaultValue, documentation, options = {}) => {
    const valid: ValidValues | undefined =
      options.min === undefined ? options.valid : { kind: "at-least", min: options.min };
    return {
      name,
      type,
      default: defaultValue,
      ...(valid === undefined ? {} : { valid }),
      documentation,
      updateMode: options.update ?? "read-only",
    };
  };
}

export const boolean = definer("boolean");
export const text = definer("string");
export const int = definer("int");
export const short = definer("short");
export const long = definer("long");
export const double = definer("double");
export const list = definer("list");
export const className = definer("class");

/** Kafka's largest INT, where a default means "no limit". */
export const NO_LIMIT = "2147483647";
