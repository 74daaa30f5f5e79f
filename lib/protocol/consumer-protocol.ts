import { decodeFrom, encodeTo } from "./codec.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ProtocolReader } from "./protocol-reader.ts";
import { ProtocolWriter } from "./protocol-writer.ts";
import {
  array,
  bytes,
  type Fields,
  type Infer,
  type InferInput,
  int32,
  type Message,
  message,
  string,
} from "./schema.ts";

// What consumers put into the bytes of JoinGroup (subscription) and SyncGroup (assignment) when the protocol type is
// "consumer". Brokers pass both on unread; they look inside only to know a group's topics, and where members of both
// protocols (KIP-848) share a group:
//
//     version int16 | subscription or assignment in that version
//
// Versions only ever add fields at the end, so a newer one is read as the newest known here, as Kafka does.

/** The protocol type of consumers in JoinGroup; other types have bytes of their own making. */
export const CONSUMER_PROTOCOL_TYPE = "consumer";

export const CONSUMER_PROTOCOL_VERSION_MAX = 3;

// v1 adds the partitions owned (KIP-429), v2 the generation in which they were owned (KIP-792), v3 the rack (KIP-881).
export const ConsumerProtocolSubscription = message({
  name: "ConsumerProtocolSubscription",
  validVersions: "0-3",
  flexibleVersions: "none",
  fields: {
    topics: array(string()),
    userData: bytes({ nullable: "0+", default: null }),
    ownedPartitions: array({ topic: string(), partitions: array(int32()) }, { versions: "1+", ignorable: true }),
    generationId: int32({ versions: "2+", default: -1, ignorable: true }),
    rackId: string({ versions: "3+", nullable: "3+", default: null, ignorable: true }),
  },
});
export type ConsumerProtocolSubscription = Infer<(typeof ConsumerProtocolSubscription)["fields"]>;

// All versions have one form; they go up with those of the subscription.
export const ConsumerProtocolAssignment = message({
  name: "ConsumerProtocolAssignment",
  validVersions: "0-3",
  flexibleVersions: "none",
  fields: {
    assignedPartitions: array({ topic: string(), partitions: array(int32()) }),
    userData: bytes({ nullable: "0+", default: null }),
  },
});
export type ConsumerProtocolAssignment = Infer<(typeof ConsumerProtocolAssignment)["fields"]>;

/** The version found in front, brought down to `CONSUMER_PROTOCOL_VERSION_MAX`; what is sent back has the same one. */
export interface Versioned {
  readonly version: number;
}

/** Reads a member's subscription. Fails with `ProtocolError`; `userData` is a view of `input`. */
export function decodeSubscription(input: Uint8Array): ConsumerProtocolSubscription & Versioned {
  return decodeVersioned(ConsumerProtocolSubscription, input);
}

/** Reads a member's assignment. Fails with `ProtocolError`, also on no bytes at all; `userData` is a view of `input`. */
export function decodeAssignment(input: Uint8Array): ConsumerProtocolAssignment & Versioned {
  return decodeVersioned(ConsumerProtocolAssignment, input);
}

/**
 * The topics of a member's subscription, read in version 0, with which all versions begin: they are known even where a
 * client claims a version whose fields it did not write. Fails with `ProtocolError`.
 */
export function decodeSubscribedTopics(input: Uint8Array): readonly string[] {
  const reader = new ProtocolReader(input);
  readVersion(reader);
  return decodeFrom(ConsumerProtocolSubscription, 0, reader).topics;
}

/** Writes a subscription in `version`, or in the newest known here if that is older; fields it lacks are dropped. */
export function encodeSubscription(
  subscription: InferInput<(typeof ConsumerProtocolSubscription)["fields"]>,
  version: number = CONSUMER_PROTOCOL_VERSION_MAX,
): Uint8Array {
  return encodeVersioned(ConsumerProtocolSubscription, subscription, version);
}

/** Writes an assignment in `version`, or in the newest known here if that is older. */
export function encodeAssignment(
  assignment: InferInput<(typeof ConsumerProtocolAssignment)["fields"]>,
  version: number = CONSUMER_PROTOCOL_VERSION_MAX,
): Uint8Array {
  return encodeVersioned(ConsumerProtocolAssignment, assignment, version);
}

function readVersion(reader: ProtocolReader): number {
  const version = reader.int16();
  if (version < 0) throw new ProtocolError(`consumer protocol has no version ${version}`);
  return Math.min(version, CONSUMER_PROTOCOL_VERSION_MAX);
}

function decodeVersioned<F extends Fields>(schema: Message<F>, input: Uint8Array): Infer<F> & Versioned {
  const reader = new ProtocolReader(input);
  const version = readVersion(reader);
  return { ...decodeFrom(schema, version, reader), version };
}

function encodeVersioned<F extends Fields>(schema: Message<F>, value: InferInput<F>, version: number): Uint8Array {
  const known = Math.min(version, CONSUMER_PROTOCOL_VERSION_MAX);
  const writer = new ProtocolWriter();
  writer.int16(known);
  encodeTo(schema, known, value, writer);
  return Buffer.concat(writer.finish());
}
