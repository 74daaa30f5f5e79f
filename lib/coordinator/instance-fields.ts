import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type { InstanceConfig, InstanceSubscription } from "./consumer-instance.ts";
import {
  decodeAssignment,
  decodeFlag,
  decodeTexts,
  encodeAssignment,
  encodeFlag,
  encodeTexts,
} from "./group-fields.ts";

// Fields that commands and snapshots share about consumer instances. Others: group-fields.ts.
//
//   config         format uint8 (0 binary, 1 json), reset uint8 (0 earliest, 1 latest, 2 none), autoCommit uint8,
//                  readCommitted uint8, fetchBytesMin uvarint, requestTimeoutMs uvarint, timeoutMs uvarint
//   subscription   kind uint8    0 none, 1 topics: list of text, 2 pattern: text, 3 partitions: assignment

const FORMATS: readonly InstanceConfig["format"][] = ["binary", "json"];
const RESETS: readonly InstanceConfig["autoOffsetReset"][] = ["earliest", "latest", "none"];
const SUBSCRIPTIONS: readonly InstanceSubscription["kind"][] = ["none", "topics", "pattern", "partitions"];

export function encodeInstanceConfig(config: InstanceConfig, writer: ByteWriter): void {
  writer.uint8(FORMATS.indexOf(config.format)).uint8(RESETS.indexOf(config.autoOffsetReset));
  encodeFlag(config.autoCommit, writer);
  encodeFlag(config.readCommitted, writer);
  writer.uvarint(config.fetchBytesMin).uvarint(config.requestTimeoutMs).uvarint(config.timeoutMs);
}

export function decodeInstanceConfig(reader: ByteReader): InstanceConfig {
  return {
    format: oneOf(FORMATS, reader, "format"),
    autoOffsetReset: oneOf(RESETS, reader, "reset"),
    autoCommit: decodeFlag(reader),
    readCommitted: decodeFlag(reader),
    fetchBytesMin: reader.uvarint(),
    requestTimeoutMs: reader.uvarint(),
    timeoutMs: reader.uvarint(),
  };
}

export function encodeInstanceSubscription(subscription: InstanceSubscription, writer: ByteWriter): void {
  writer.uint8(SUBSCRIPTIONS.indexOf(subscription.kind));
  if (subscription.kind === "topics") encodeTexts(subscription.topicNames, writer);
  if (subscription.kind === "pattern") writer.text(subscription.regex);
  if (subscription.kind === "partitions") encodeAssignment(subscription.partitions, writer);
}

export function decodeInstanceSubscription(reader: ByteReader): InstanceSubscription {
  const kind = oneOf(SUBSCRIPTIONS, reader, "subscription");
  if (kind === "topics") return { kind, topicNames: decodeTexts(reader) };
  if (kind === "pattern") return { kind, regex: reader.text() };
  if (kind === "partitions") return { kind, partitions: decodeAssignment(reader) };
  return { kind };
}

function oneOf<T>(values: readonly T[], reader: ByteReader, what: string): T {
  const value = values[reader.uint8()];
  if (value === undefined) throw new DecodeError(`unknown ${what} of a consumer instance`);
  return value;
}
