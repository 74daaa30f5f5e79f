import type { SchemaVersion } from "./decoder.ts";
import { defaultOf, isDefault } from "./field-default.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ProtocolWriter } from "./protocol-writer.ts";
import type { Field, Fields, FieldType } from "./schema.ts";
import { includesVersion } from "./versions.ts";

export type Encode = (writer: ProtocolWriter, value: unknown) => void;
type Struct = Readonly<Record<string, unknown>>;

interface FieldEncoder {
  readonly name: string;
  readonly standard: unknown;
  readonly encode: Encode;
}

interface AbsentField {
  readonly name: string;
  readonly field: Field;
}

interface TaggedEncoder extends FieldEncoder {
  readonly tag: number;
  readonly field: Field;
}

/** Turns `fields` in one version into a closure that writes them in wire order. */
export function structEncoder(fields: Fields, at: SchemaVersion): Encode {
  const present: FieldEncoder[] = [];
  const tagged: TaggedEncoder[] = [];
  const absent: AbsentField[] = [];
  for (const [name, field] of Object.entries(fields)) {
    if (!includesVersion(field.versions, at.version)) {
      if (!field.ignorable) absent.push({ name, field });
      continue;
    }
    const encoder = { name, standard: defaultOf(field), encode: fieldEncoder(name, field, at) };
    if (field.tag !== undefined && includesVersion(field.tagged, at.version)) {
      tagged.push({ ...encoder, tag: field.tag, field });
    } else {
      present.push(encoder);
    }
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return (writer, value) => {
    const struct = value as Struct;
    for (let i = 0; i < present.length; i++) {
      const { name, standard, encode } = present[i] as FieldEncoder;
      const given = struct[name];
      encode(writer, given === undefined ? standard : given);
    }
    for (let i = 0; i < absent.length; i++) {
      const { name, field } = absent[i] as AbsentField;
      const given = struct[name];
      if (given !== undefined && !isDefault(field, given)) {
        throw new ProtocolError(`${name} cannot be said in version ${at.version}`);
      }
    }
    if (!at.flexible) return;
    if (tagged.length === 0) writer.uvarint(0);
    else encodeTagged(tagged, writer, struct);
  };
}

/**
 * Tagged fields (KIP-482) end a flexible struct; those with their default value are left out:
 *
 *     count uvarint | tag uvarint, length uvarint, value | …
 */
function encodeTagged(tagged: readonly TaggedEncoder[], writer: ProtocolWriter, struct: Struct): void {
  const given = tagged.filter(({ name, field }) => !isDefault(field, struct[name]));
  writer.uvarint(given.length);
  for (const { name, tag, encode } of given) {
    // The length comes first and tagged fields are small and rare, so each is written aside and copied.
    const aside = new ProtocolWriter(128);
    encode(aside, struct[name]);
    writer.uvarint(tag);
    writer.uvarint(aside.length);
    for (const chunk of aside.finish()) writer.copy(chunk);
  }
}

function fieldEncoder(name: string, field: Field, at: SchemaVersion): Encode {
  const encode = typeEncoder(field.type, at);
  const encodeNull = includesVersion(field.nullable, at.version)
    ? nullEncoder(field.type, at.flexible)
    : () => {
        throw new ProtocolError(`${name} must not be null in version ${at.version}`);
      };
  if (field.type.kind === "struct" && includesVersion(field.nullable, at.version)) {
    return (writer, value) => {
      writer.int8(value === null ? -1 : 1);
      if (value !== null) encode(writer, value);
    };
  }
  return (writer, value) => {
    if (value === null) encodeNull(writer);
    else encode(writer, value);
  };
}

function nullEncoder(type: FieldType, flexible: boolean): (writer: ProtocolWriter) => void {
  if (flexible) return (writer) => writer.uvarint(0);
  return type.kind === "string" ? (writer) => writer.int16(-1) : (writer) => writer.int32(-1);
}

function typeEncoder(type: FieldType, at: SchemaVersion): Encode {
  const { flexible } = at;
  switch (type.kind) {
    case "bool":
      return (writer, value) => writer.bool(value as boolean);
    case "int8":
      return (writer, value) => writer.int8(value as number);
    case "int16":
      return (writer, value) => writer.int16(value as number);
    case "uint16":
      return (writer, value) => writer.uint16(value as number);
    case "int32":
      return (writer, value) => writer.int32(value as number);
    case "uint32":
      return (writer, value) => writer.uint32(value as number);
    case "int64":
      return (writer, value) => writer.int64(value as number);
    case "float64":
      return (writer, value) => writer.float64(value as number);
    case "uuid":
      return (writer, value) => writer.uuid(value as string);
    case "string":
      return (writer, value) => writer.string(value as string, flexible);
    case "bytes":
      return (writer, value) => encodeBytes(writer, value as Uint8Array, flexible);
    case "records":
      return (writer, value) => encodeRecords(writer, value as Uint8Array | readonly Uint8Array[], flexible);
    case "struct":
      return structEncoder(type.fields, at);
    case "array":
      return arrayEncoder(typeEncoder(type.element, at), flexible);
  }
}

function encodeBytes(writer: ProtocolWriter, value: Uint8Array, flexible: boolean): void {
  writer.length32(value.byteLength, flexible);
  writer.copy(value);
}

function encodeRecords(writer: ProtocolWriter, value: Uint8Array | readonly Uint8Array[], flexible: boolean): void {
  if (value instanceof Uint8Array) {
    writer.length32(value.byteLength, flexible);
    writer.chunk(value);
    return;
  }
  let length = 0;
  for (const chunk of value) length += chunk.byteLength;
  writer.length32(length, flexible);
  writer.chunks(value);
}

function arrayEncoder(encode: Encode, flexible: boolean): Encode {
  return (writer, value) => {
    const values = value as readonly unknown[];
    writer.length32(values.length, flexible);
    for (let i = 0; i < values.length; i++) encode(writer, values[i]);
  };
}
