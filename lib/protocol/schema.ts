import type { Uuid } from "#lib/util/branded.ts";
import { ALL_VERSIONS, NO_VERSIONS, parseVersions, type VersionRange } from "./versions.ts";

// The schema language: a message is declared once, all its versions included; key order is wire order. The notation of
// versions, null, defaults and tags is that of Kafka's own message definitions, so that the two can be laid side by side.

export type PrimitiveKind =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint16"
  | "uint32"
  | "float64"
  | "string"
  | "bytes"
  | "uuid"
  | "records";

export type FieldType =
  | { readonly kind: PrimitiveKind }
  | { readonly kind: "struct"; readonly fields: Fields }
  | { readonly kind: "array"; readonly element: FieldType };

export interface FieldOptions<T> {
  /** Versions in which the field exists; all if left out. */
  readonly versions?: string;
  /** Versions in which null may stand for the value. */
  readonly nullable?: string;
  /** Value where the field is absent. Left out: zero, false, empty, the zero UUID, null for records. */
  readonly default?: T | null;
  /** With `taggedVersions`: the number of the tagged field (KIP-482). */
  readonly tag?: number;
  readonly taggedVersions?: string;
  /** A value other than the default is dropped silently where the version has no such field; otherwise it is an error. */
  readonly ignorable?: boolean;
  /** int64 only: a value beyond 2^53 becomes the nearest safe integer, where an error would say less than the answer. */
  readonly clamp?: boolean;
}

declare const types: unique symbol;

/** One field. `Decoded` is what comes out, `Input` what goes in, `Omissible` whether a writer may leave it out. */
export interface Field<Decoded = unknown, Input = unknown, Omissible extends boolean = boolean> {
  readonly type: FieldType;
  readonly versions: VersionRange;
  readonly nullable: VersionRange;
  readonly tagged: VersionRange;
  readonly tag: number | undefined;
  readonly default: unknown;
  readonly ignorable: boolean;
  readonly clamp: boolean;
  readonly [types]?: { readonly decoded: Decoded; readonly input: Input; readonly omissible: Omissible };
}

export type Fields = { readonly [name: string]: Field };

type DecodedField<F> = F extends Field<infer D, infer _I, infer _O> ? D : never;
type InputField<F> = F extends Field<infer _D, infer I, infer _O> ? I : never;
type IsOmissible<F> = F extends Field<infer _D, infer _I, infer O> ? O : never;

/** What decoding yields: every field is there, with its default where the version lacks it. */
export type Infer<F> = { readonly [K in keyof F]: DecodedField<F[K]> };
/** What encoding takes: fields with a default, or not in all versions, may be left out. */
export type InferInput<F> = {
  readonly [K in keyof F as IsOmissible<F[K]> extends true ? never : K]: InputField<F[K]>;
} & { readonly [K in keyof F as IsOmissible<F[K]> extends true ? K : never]?: InputField<F[K]> | undefined };

type NoOptions = Readonly<Record<never, never>>;
type OrNull<T, O> = O extends { readonly nullable: string } ? T | null : T;
type Omissible<O> = O extends { readonly default: unknown } | { readonly versions: string } | { readonly tag: number }
  ? true
  : false;

function field(type: FieldType, options: FieldOptions<unknown> = {}): Field<never, never, never> {
  return {
    type,
    versions: options.versions === undefined ? ALL_VERSIONS : parseVersions(options.versions),
    nullable: options.nullable === undefined ? NO_VERSIONS : parseVersions(options.nullable),
    tagged: options.taggedVersions === undefined ? NO_VERSIONS : parseVersions(options.taggedVersions),
    tag: options.tag,
    default: options.default,
    ignorable: options.ignorable ?? false,
    clamp: options.clamp ?? false,
  };
}

function primitive<T>(kind: PrimitiveKind) {
  return <const O extends FieldOptions<T> = NoOptions>(options?: O): Field<OrNull<T, O>, OrNull<T, O>, Omissible<O>> =>
    field({ kind }, options);
}

export const bool = primitive<boolean>("bool");
export const int8 = primitive<number>("int8");
export const int16 = primitive<number>("int16");
export const int32 = primitive<number>("int32");
/** A safe integer; what does not fit is a `ProtocolError`. */
export const int64 = primitive<number>("int64");
export const uint16 = primitive<number>("uint16");
export const uint32 = primitive<number>("uint32");
export const float64 = primitive<number>("float64");
export const string = primitive<string>("string");
/** Decoded as a view of the frame, encoded by copy. */
export const bytes = primitive<Uint8Array>("bytes");
export const uuid = primitive<Uuid>("uuid");

/** Record batches, unparsed: a view of the frame when decoded, passed on as chunks without a copy when encoded. */
export function records<const O extends FieldOptions<null> = NoOptions>(
  options?: O,
): Field<OrNull<Uint8Array, O>, OrNull<Uint8Array | readonly Uint8Array[], O>, Omissible<O>> {
  return field({ kind: "records" }, options);
}

/** An array of structs (`array({ ... })`) or of primitives (`array(int32())`). */
export function array<D, I, const O extends FieldOptions<readonly []> = NoOptions>(
  element: Field<D, I, false>,
  options?: O,
): Field<OrNull<readonly D[], O>, OrNull<readonly I[], O>, Omissible<O>>;
export function array<const F extends Fields, const O extends FieldOptions<readonly []> = NoOptions>(
  element: F,
  options?: O,
): Field<OrNull<readonly Infer<F>[], O>, OrNull<readonly InferInput<F>[], O>, Omissible<O>>;
export function array(element: Field | Fields, options?: FieldOptions<readonly []>): Field<never, never, never> {
  return field(
    { kind: "array", element: isField(element) ? element.type : { kind: "struct", fields: element } },
    options,
  );
}

export function struct<const F extends Fields, const O extends FieldOptions<never> = NoOptions>(
  fields: F,
  options?: O,
): Field<OrNull<Infer<F>, O>, OrNull<InferInput<F>, O>, Omissible<O>> {
  return field({ kind: "struct", fields }, options);
}

// A struct may have a field called "type", whose value is then a field and has no kind.
function isField(value: Field | Fields): value is Field {
  return value.type !== undefined && "kind" in value.type;
}

export interface MessageDefinition<F extends Fields> {
  /** Headers have none. */
  readonly apiKey?: number;
  readonly name: string;
  readonly validVersions: string;
  readonly flexibleVersions: string;
  /** Versions that Kafka itself does not offer yet: we read and write them, but brokers do not list them. */
  readonly unstableVersions?: string;
  readonly fields: F;
}

export interface Message<F extends Fields = Fields> {
  readonly apiKey: number | undefined;
  readonly name: string;
  readonly validVersions: VersionRange;
  readonly flexibleVersions: VersionRange;
  readonly unstableVersions: VersionRange;
  readonly fields: F;
}

export type DecodedOf<M> = M extends Message<infer F> ? Infer<F> : never;
export type InputOf<M> = M extends Message<infer F> ? InferInput<F> : never;

export function message<const F extends Fields>(definition: MessageDefinition<F>): Message<F> {
  return {
    apiKey: definition.apiKey,
    name: definition.name,
    validVersions: parseVersions(definition.validVersions),
    flexibleVersions: parseVersions(definition.flexibleVersions),
    unstableVersions: parseVersions(definition.unstableVersions ?? "none"),
    fields: definition.fields,
  };
}
