import fc from "fast-check";
import type { Field, Fields, FieldType, Message } from "#lib/protocol/schema.ts";
import { includesVersion } from "#lib/protocol/versions.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";

/** Values that `message` can carry in `version`: what the version lacks is left out. */
export function arbitraryInput(message: Message, version: number): fc.Arbitrary<Record<string, unknown>> {
  return struct(message.fields, version);
}

function struct(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  const present = Object.entries(fields).filter(([, field]) => includesVersion(field.versions, version));
  return fc.record(Object.fromEntries(present.map(([name, field]) => [name, ofField(field, version)])));
}

function ofField(field: Field, version: number): fc.Arbitrary<unknown> {
  const value = ofType(field.type, version);
  return includesVersion(field.nullable, version) ? fc.option(value, { freq: 4 }) : value;
}

const safeInt = fc.oneof(fc.constantFrom(-1, 0, 1), fc.maxSafeInteger());
const byteArray = fc.uint8Array({ maxLength: 40 });

function ofType(type: FieldType, version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "bool":
      return fc.boolean();
    case "int8":
      return fc.integer({ min: -128, max: 127 });
    case "int16":
      return fc.integer({ min: -32768, max: 32767 });
    case "uint16":
      return fc.integer({ min: 0, max: 65535 });
    case "int32":
      return fc.integer();
    case "uint32":
      return fc.integer({ min: 0, max: 0xffffffff });
    case "int64":
      return safeInt;
    case "float64":
      return fc.double({ noNaN: true });
    case "string":
      return fc.oneof(fc.string({ maxLength: 60, unit: "grapheme" }), fc.string({ minLength: 120, maxLength: 200 }));
    case "bytes":
      return byteArray;
    case "uuid":
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidFromBytes);
    case "records":
      return fc.oneof(byteArray, fc.uint8Array({ minLength: 600, maxLength: 700 }));
    case "struct":
      return struct(type.fields, version);
    case "array":
      return fc.array(ofType(type.element, version), { maxLength: 4 });
  }
}

export function versionsOf(message: Message): number[] {
  const { min, max } = message.validVersions;
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}

/** The whole of a chunk list. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(chunks);
}
