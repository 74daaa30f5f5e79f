import { ZERO_UUID } from "#lib/util/branded.ts";
import type { Field, Fields, FieldType } from "./schema.ts";

const NO_ELEMENTS: readonly never[] = Object.freeze([]);
const NO_BYTES = new Uint8Array(0);

/** The value of a field where the version has none. Shared, therefore frozen where it is an object. */
export function defaultOf(field: Field): unknown {
  return field.default === undefined ? implicitDefault(field.type) : field.default;
}

function implicitDefault(type: FieldType): unknown {
  switch (type.kind) {
    case "bool":
      return false;
    case "string":
      return "";
    case "bytes":
      return NO_BYTES;
    case "uuid":
      return ZERO_UUID;
    case "records":
      return null;
    case "array":
      return NO_ELEMENTS;
    case "struct":
      return Object.freeze(defaultsOf(type.fields));
    default:
      return 0;
  }
}

export function defaultsOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, defaultOf(field)]));
}

/** Whether `value`, as a writer gave it, says no more than leaving the field out. */
export function isDefault(field: Field, value: unknown): boolean {
  if (value === undefined) return true;
  const standard = defaultOf(field);
  if (value === null || standard === null) return value === standard;
  switch (field.type.kind) {
    case "array":
      return Array.isArray(value) && value.length === 0;
    case "bytes":
      return value instanceof Uint8Array && value.byteLength === 0;
    case "struct":
      return isDefaultStruct(field.type.fields, value as Readonly<Record<string, unknown>>);
    default:
      return value === standard;
  }
}

function isDefaultStruct(fields: Fields, value: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(fields).every(([name, field]) => isDefault(field, value[name]));
}
