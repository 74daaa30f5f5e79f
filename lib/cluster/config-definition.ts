// What topic and broker configs have in common: a declared type, a default, the values that are valid, and Kafka's way
// of saying what is wrong with one. Values stay text; they are parsed where a number is needed.

export type ConfigType = "boolean" | "string" | "int" | "short" | "long" | "double" | "list" | "class" | "password";

export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** As Kafka writes it; null if there is none. */
  readonly default: string | null;
  readonly valid?: ValidValues;
  /** In our own words, for people who ask a broker what it knows. */
  readonly documentation: string;
}

export type ValidValues =
  | { readonly kind: "at-least"; readonly min: number }
  | { readonly kind: "between"; readonly min: number; readonly max: number }
  /** A level of compression: -1 for the codec's own choice, or one in the range. */
  | { readonly kind: "between-or-default"; readonly min: number; readonly max: number }
  | { readonly kind: "one-of"; readonly values: readonly string[] }
  /** A list of these, each at most once. */
  | { readonly kind: "some-of"; readonly values: readonly string[] }
  | { readonly kind: "throttled-replicas" };

const INTEGER_BOUNDS = {
  short: { min: -0x8000n, max: 0x7fffn },
  int: { min: -0x8000_0000n, max: 0x7fff_ffffn },
  long: { min: -0x8000_0000_0000_0000n, max: 0x7fff_ffff_ffff_ffffn },
} as const;

/** What is wrong with `text` as a value of `definition`; undefined if nothing is. The texts are those of Kafka. */
export function faultOf(definition: ConfigDefinition, text: string): string | undefined {
  const invalid = `Invalid value ${text} for configuration ${definition.name}`;
  const value = text.trim();
  switch (definition.type) {
    case "boolean":
      return /^(true|false)$/i.test(value) ? undefined : `${invalid}: Expected value to be either true or false`;
    case "short":
    case "int":
    case "long":
      if (!isInteger(definition.type, value)) {
        return `${invalid}: Not a number of type ${definition.type.toUpperCase()}`;
      }
      return withReason(invalid, numberFault(definition.valid, Number(value)));
    case "double":
      if (!isDouble(value)) return `${invalid}: Not a number of type DOUBLE`;
      return withReason(invalid, numberFault(definition.valid, Number(value)));
    case "list":
      return listFault(definition, value, invalid);
    case "string":
      return withReason(invalid, textFault(definition.valid, value));
    case "class":
    case "password":
      return undefined;
  }
}

/** `text` as Kafka would write the value it stands for: trimmed, booleans in lower case, lists without blanks. */
export function normalised(definition: ConfigDefinition, text: string): string {
  switch (definition.type) {
    case "boolean":
      return text.trim().toLowerCase();
    case "short":
    case "int":
    case "long":
      return BigInt(text.trim().replace(/^\+/, "")).toString();
    case "double":
      return javaDouble(Number(text.trim()));
    case "list":
      return listItems(text).join(",");
    case "string":
    case "class":
      return text.trim();
    case "password":
      return text;
  }
}

/** The items of a comma-separated list, as Kafka splits it. */
export function listItems(text: string): readonly string[] {
  return text.trim() === "" ? [] : text.trim().split(/\s*,\s*/);
}

/** A valid integer as a number; beyond 2^53, where it means "never" or "no limit", the nearest safe integer. */
export function integerOf(text: string): number {
  return Math.min(Math.max(Number(text), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

function withReason(invalid: string, reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : `${invalid}: ${reason}`;
}

function isInteger(type: "short" | "int" | "long", value: string): boolean {
  // Longer texts are out of bounds anyway, and a BigInt of a megabyte of digits would take its time.
  if (!/^[+-]?\d{1,40}$/.test(value)) return false;
  const { min, max } = INTEGER_BOUNDS[type];
  const number = BigInt(value.replace(/^\+/, ""));
  return number >= min && number <= max;
}

function isDouble(value: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value);
}

function javaDouble(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

function numberFault(valid: ValidValues | undefined, value: number): string | undefined {
  switch (valid?.kind) {
    case "at-least":
      return value < valid.min ? `Value must be at least ${valid.min}` : undefined;
    case "between":
      if (value < valid.min) return `Value must be at least ${valid.min}`;
      return value > valid.max ? `Value must be no more than ${valid.max}` : undefined;
    case "between-or-default":
      if (value === -1 || (value >= valid.min && value <= valid.max)) return undefined;
      return `Value must be between ${valid.min} and ${valid.max} or equal to -1`;
    default:
      return undefined;
  }
}

function textFault(valid: ValidValues | undefined, value: string): string | undefined {
  if (valid?.kind !== "one-of" || valid.values.includes(value)) return undefined;
  return `String must be one of: ${valid.values.join(", ")}`;
}

function listFault(definition: ConfigDefinition, value: string, invalid: string): string | undefined {
  const { valid, name } = definition;
  const items = listItems(value);
  if (valid?.kind === "some-of") {
    if (new Set(items).size !== items.length) return `Configuration '${name}' values must not be duplicated.`;
    if (items.some((item) => !valid.values.includes(item))) {
      return `${invalid}: String must be one of: ${valid.values.join(", ")}`;
    }
  }
  if (valid?.kind === "throttled-replicas") {
    const isWildcard = items.length === 1 && items[0] === "*";
    if (!isWildcard && !items.every((item) => /^\d+:\d+$/.test(item))) {
      return (
        `${invalid}: ${name} must be the literal '*' or a list of replicas in the following format: ` +
        "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
      );
    }
  }
  return undefined;
}
