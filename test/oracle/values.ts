import fc from "fast-check";
import type { Field, Fields, FieldType, Message } from "#lib/protocol/schema.ts";
import { includesVersion } from "#lib/protocol/versions.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";

// Values for the way from our codec to Kafka's classes. Unlike the arbitrary of test/protocol it also draws what is long
// or at the very end of a range: the other side counts bytes for itself, so there is something to be found out by it.

const known = new Map<string, fc.Arbitrary<Record<string, unknown>>>();

/** What a writer may give for `message` in `version`: fields with a default are left out now and then. */
export function oracleInput(message: Message, version: number): fc.Arbitrary<Record<string, unknown>> {
  const key = `${message.name} ${version}`;
  const arbitrary = known.get(key) ?? struct(message.fields, version);
  known.set(key, arbitrary);
  return arbitrary;
}

function struct(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  const present = Object.entries(fields).filter(([, field]) => includesVersion(field.versions, version));
  const requiredKeys = present.filter(([, field]) => field.default === undefined && field.tag === undefined);
  return fc.record(Object.fromEntries(present.map(([name, field]) => [name, ofField(field, version)])), {
    requiredKeys: requiredKeys.map(([name]) => name),
  });
}

function ofField(field: Field, version: number): fc.Arbitrary<unknown> {
  const value = ofType(field.type, version);
  return includesVersion(field.nullable, version) ? fc.option(value, { freq: 5 }) : value;
}

function integer(min: number, max: number): fc.Arbitrary<number> {
  const edges = [min, max, 0, 127, 128, 255].filter((each) => each <= max);
  return fc.oneof(fc.integer({ min, max }), fc.constantFrom(...edges));
}

const int64 = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(0, -1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, -0x8000_0000, -0x8000_0001),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);

// Every plane of Unicode, byte order marks included; halves of surrogate pairs have no UTF-8.
const text = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
  { weight: 5, arbitrary: fc.string({ minLength: 100, maxLength: 300 }) },
  { weight: 2, arbitrary: fc.constantFrom("\ufeff", "\u0000", "\u{10ffff}", "ÿ".repeat(63), "ÿ".repeat(64)) },
  { weight: 1, arbitrary: fc.constantFrom("x".repeat(32_767), "é".repeat(16_383), "𝄞".repeat(8_191)) },
);

const byteArray = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ maxLength: 50 }) },
  { weight: 3, arbitrary: fc.uint8Array({ minLength: 120, maxLength: 700 }) },
  { weight: 1, arbitrary: fc.nat(255).map((byte) => new Uint8Array(100_000).fill(byte)) },
);

function elements(element: FieldType, version: number): fc.Arbitrary<unknown[]> {
  const few = fc.array(ofType(element, version), { maxLength: 4 });
  if (element.kind !== "int32") return few;
  const many = fc.integer({ min: 127, max: 20_000 }).map((count) => Array.from({ length: count }, (_, i) => i * 7919));
  return fc.oneof({ weight: 30, arbitrary: few }, { weight: 1, arbitrary: many });
}

function ofType(type: FieldType, version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "bool":
      return fc.boolean();
    case "int8":
      return integer(-0x80, 0x7f);
    case "int16":
      return integer(-0x8000, 0x7fff);
    case "uint16":
      return integer(0, 0xffff);
    case "int32":
      return integer(-0x8000_0000, 0x7fff_ffff);
    case "uint32":
      return integer(0, 0xffff_ffff);
    case "int64":
      return int64;
    case "float64":
      return fc.double();
    case "string":
      return text;
    case "bytes":
      return byteArray;
    case "uuid":
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidFromBytes);
    case "records":
      return fc.oneof(byteArray, fc.array(byteArray, { maxLength: 4 }));
    case "struct":
      return struct(type.fields, version);
    case "array":
      return elements(type.element, version);
  }
}
