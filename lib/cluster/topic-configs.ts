import type { ConfigDefinition } from "./config-definition.ts";

// The topic configs of Kafka 4.3 as data: names, types, defaults and bounds are Kafka's, the words are ours.

export interface TopicConfigDefinition extends ConfigDefinition {
  /** The broker configs that stand behind it, in the order in which they count. */
  readonly synonyms: readonly ConfigSynonym[];
  readonly effect: ConfigEffect;
}

export interface ConfigSynonym {
  readonly name: string;
  /** One of the broker config's units in the topic config's unit; 1 if left out. */
  readonly factor?: number;
}

/**
 * What setting it changes here. `acts`: what it does in Kafka. `later`: stored and shown, but not acted on yet. `none`:
 * stored and shown; it tunes a mechanism that Kafka has and Millrace has not.
 */
export type ConfigEffect = "acts" | "later" | "none";

const LONG_MAX = "9223372036854775807";
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Sorted by name. */
export const TOPIC_CONFIGS: readonly TopicConfigDefinition[] = [
  {
    name: "cleanup.policy",
    type: "list",
    default: "delete",
    valid: { kind: "some-of", values: ["compact", "delete"] },
    synonyms: [{ name: "log.cleanup.policy" }],
    effect: "acts",
    documentation:
      "What becomes of old records: `delete` removes them by the retention limits, `compact` keeps the last record of each key, both together do both, and an empty list keeps everything.",
  },
  {
    name: "compression.gzip.level",
    type: "int",
    default: "-1",
    valid: { kind: "between-or-default", min: 1, max: 9 },
    synonyms: [{ name: "compression.gzip.level" }],
    effect: "later",
    documentation:
      "Level at which batches are compressed where the broker itself compresses with gzip; -1 leaves it to the codec.",
  },
  {
    name: "compression.lz4.level",
    type: "int",
    default: "9",
    valid: { kind: "between", min: 1, max: 17 },
    synonyms: [{ name: "compression.lz4.level" }],
    effect: "later",
    documentation: "Level at which batches are compressed where the broker itself compresses with lz4.",
  },
  {
    name: "compression.type",
    type: "string",
    default: "producer",
    valid: { kind: "one-of", values: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"] },
    synonyms: [{ name: "compression.type" }],
    effect: "later",
    documentation:
      "The codec in which batches are kept. `producer` keeps each batch as it came, which costs nothing; every other value has the broker rewrite batches that came in another form.",
  },
  {
    name: "compression.zstd.level",
    type: "int",
    default: "3",
    valid: { kind: "between", min: -131_072, max: 22 },
    synonyms: [{ name: "compression.zstd.level" }],
    effect: "later",
    documentation: "Level at which batches are compressed where the broker itself compresses with zstd.",
  },
  {
    name: "delete.retention.ms",
    type: "long",
    default: "86400000",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.cleaner.delete.retention.ms" }],
    effect: "acts",
    documentation:
      "Milliseconds for which a compacted topic keeps tombstones, so that slow readers still learn of the deletion.",
  },
  {
    name: "file.delete.delay.ms",
    type: "long",
    default: "60000",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.segment.delete.delay.ms" }],
    effect: "none",
    documentation:
      "Milliseconds between taking a segment out of the log and deleting its file. Garbage collection decides that here.",
  },
  {
    name: "flush.messages",
    type: "long",
    default: LONG_MAX,
    valid: { kind: "at-least", min: 1 },
    synonyms: [{ name: "log.flush.interval.messages" }],
    effect: "none",
    documentation: "Records after which a log is forced to disk. Every acknowledged record is durable here already.",
  },
  {
    name: "flush.ms",
    type: "long",
    default: LONG_MAX,
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.flush.interval.ms" }, { name: "log.flush.scheduler.interval.ms" }],
    effect: "none",
    documentation:
      "Milliseconds after which a log is forced to disk. Every acknowledged record is durable here already.",
  },
  {
    name: "follower.replication.throttled.replicas",
    type: "list",
    default: "",
    valid: { kind: "throttled-replicas" },
    synonyms: [],
    effect: "none",
    documentation:
      "Replicas whose replication is throttled on the follower's side, as partition:broker pairs, or * for all.",
  },
  {
    name: "index.interval.bytes",
    type: "int",
    default: "4096",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.index.interval.bytes" }],
    effect: "later",
    documentation: "Bytes of a log segment between two entries of its offset index.",
  },
  {
    name: "leader.replication.throttled.replicas",
    type: "list",
    default: "",
    valid: { kind: "throttled-replicas" },
    synonyms: [],
    effect: "none",
    documentation:
      "Replicas whose replication is throttled on the leader's side, as partition:broker pairs, or * for all.",
  },
  {
    name: "local.retention.bytes",
    type: "long",
    default: "-2",
    valid: { kind: "at-least", min: -2 },
    synonyms: [{ name: "log.local.retention.bytes" }],
    effect: "none",
    documentation:
      "With tiered storage: bytes to keep on the broker's own disk; -2 means as retention.bytes. All data is in object storage here.",
  },
  {
    name: "local.retention.ms",
    type: "long",
    default: "-2",
    valid: { kind: "at-least", min: -2 },
    synonyms: [{ name: "log.local.retention.ms" }],
    effect: "none",
    documentation:
      "With tiered storage: milliseconds to keep on the broker's own disk; -2 means as retention.ms. All data is in object storage here.",
  },
  {
    name: "max.compaction.lag.ms",
    type: "long",
    default: LONG_MAX,
    valid: { kind: "at-least", min: 1 },
    synonyms: [{ name: "log.cleaner.max.compaction.lag.ms" }],
    effect: "acts",
    documentation: "Milliseconds after which a record of a compacted topic must have been considered for cleaning.",
  },
  {
    name: "max.message.bytes",
    type: "int",
    default: "1048588",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "message.max.bytes" }],
    effect: "acts",
    documentation: "The largest record batch that the topic takes, in bytes as it arrives, so after compression.",
  },
  {
    name: "message.timestamp.after.max.ms",
    type: "long",
    default: "3600000",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.message.timestamp.after.max.ms" }],
    effect: "acts",
    documentation:
      "Milliseconds by which a record's own timestamp may lie ahead of the broker's clock. Without meaning under LogAppendTime.",
  },
  {
    name: "message.timestamp.before.max.ms",
    type: "long",
    default: LONG_MAX,
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.message.timestamp.before.max.ms" }],
    effect: "acts",
    documentation:
      "Milliseconds by which a record's own timestamp may lie behind the broker's clock. Without meaning under LogAppendTime.",
  },
  {
    name: "message.timestamp.type",
    type: "string",
    default: "CreateTime",
    valid: { kind: "one-of", values: ["CreateTime", "LogAppendTime"] },
    synonyms: [{ name: "log.message.timestamp.type" }],
    effect: "acts",
    documentation:
      "Whose time a record carries: the producer's (`CreateTime`) or that of its arrival (`LogAppendTime`).",
  },
  {
    name: "min.cleanable.dirty.ratio",
    type: "double",
    default: "0.5",
    valid: { kind: "between", min: 0, max: 1 },
    synonyms: [{ name: "log.cleaner.min.cleanable.ratio" }],
    effect: "acts",
    documentation: "The share of a compacted log that must not have been cleaned yet before cleaning it again pays.",
  },
  {
    name: "min.compaction.lag.ms",
    type: "long",
    default: "0",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.cleaner.min.compaction.lag.ms" }],
    effect: "acts",
    documentation: "Milliseconds for which a record of a compacted topic is safe from cleaning.",
  },
  {
    name: "min.insync.replicas",
    type: "int",
    default: "1",
    valid: { kind: "at-least", min: 1 },
    synonyms: [{ name: "min.insync.replicas" }],
    effect: "acts",
    documentation:
      "Replicas that must be in sync for acks=all to be accepted; with fewer, producers get NOT_ENOUGH_REPLICAS and nothing is written. Unless set anywhere it is half the replication factor, rounded down, plus one.",
  },
  {
    name: "preallocate",
    type: "boolean",
    default: "false",
    synonyms: [{ name: "log.preallocate" }],
    effect: "none",
    documentation: "Whether segment files get their full size at once. Objects need no such thing.",
  },
  {
    name: "remote.copy.lag.bytes",
    type: "long",
    default: "0",
    valid: { kind: "at-least", min: -1 },
    synonyms: [],
    effect: "none",
    documentation: "With tiered storage: bytes that may wait before they are copied to remote storage.",
  },
  {
    name: "remote.copy.lag.ms",
    type: "long",
    default: "0",
    valid: { kind: "at-least", min: -1 },
    synonyms: [],
    effect: "none",
    documentation: "With tiered storage: milliseconds that data may wait before it is copied to remote storage.",
  },
  {
    name: "remote.log.copy.disable",
    type: "boolean",
    default: "false",
    synonyms: [],
    effect: "none",
    documentation: "With tiered storage: stop copying to remote storage and leave what is there readable.",
  },
  {
    name: "remote.log.delete.on.disable",
    type: "boolean",
    default: "false",
    synonyms: [],
    effect: "none",
    documentation: "With tiered storage: delete the remote data when remote storage is switched off for the topic.",
  },
  {
    name: "remote.storage.enable",
    type: "boolean",
    default: "false",
    synonyms: [],
    effect: "none",
    documentation: "Kafka's tiered storage. Refused here: every topic lives in object storage as it is.",
  },
  {
    name: "retention.bytes",
    type: "long",
    default: "-1",
    synonyms: [{ name: "log.retention.bytes" }],
    effect: "acts",
    documentation:
      "Bytes that a partition may keep before its oldest segments go, and flushes that are not in segments yet; -1 for no limit. Applies with cleanup.policy delete.",
  },
  {
    name: "retention.ms",
    type: "long",
    default: "604800000",
    valid: { kind: "at-least", min: -1 },
    synonyms: [
      { name: "log.retention.ms" },
      { name: "log.retention.minutes", factor: MINUTE_MS },
      { name: "log.retention.hours", factor: HOUR_MS },
    ],
    effect: "acts",
    documentation:
      "Milliseconds for which records are kept, by the newest timestamp of their segment; -1 for ever. Applies with cleanup.policy delete.",
  },
  {
    name: "segment.bytes",
    type: "int",
    default: "1073741824",
    valid: { kind: "at-least", min: 1_048_576 },
    synonyms: [{ name: "log.segment.bytes" }],
    effect: "acts",
    documentation:
      "The most bytes in one log segment; more than 128 MiB count as 128 MiB. Retention and cleaning work segment by segment.",
  },
  {
    name: "segment.index.bytes",
    type: "int",
    default: "10485760",
    valid: { kind: "at-least", min: 4 },
    synonyms: [{ name: "log.index.size.max.bytes" }],
    effect: "none",
    documentation: "The most bytes in a segment's index. Indexes here are as large as their segment needs.",
  },
  {
    name: "segment.jitter.ms",
    type: "long",
    default: "0",
    valid: { kind: "at-least", min: 0 },
    synonyms: [{ name: "log.roll.jitter.ms" }, { name: "log.roll.jitter.hours", factor: HOUR_MS }],
    effect: "none",
    documentation: "Random milliseconds taken off segment.ms, so that not all segments end at once.",
  },
  {
    name: "segment.ms",
    type: "long",
    default: "604800000",
    valid: { kind: "at-least", min: 1 },
    synonyms: [{ name: "log.roll.ms" }, { name: "log.roll.hours", factor: HOUR_MS }],
    effect: "acts",
    documentation:
      "Milliseconds after which records become a log segment even if it is not full; more than a day counts as a day.",
  },
  {
    name: "unclean.leader.election.enable",
    type: "boolean",
    default: "false",
    synonyms: [{ name: "unclean.leader.election.enable" }],
    effect: "acts",
    documentation:
      "Whether records whose every copy is lost may be given up, so that the partition goes on without them.",
  },
];

const BY_NAME: ReadonlyMap<string, TopicConfigDefinition> = new Map(
  TOPIC_CONFIGS.map((config) => [config.name, config]),
);

/** For people who ask a broker: also says where setting it changes nothing yet. */
export function topicConfigDocumentation({ documentation, effect }: TopicConfigDefinition): string {
  return effect === "later" ? `${documentation} Stored and shown; not acted on yet.` : documentation;
}

export function topicConfigDefinition(name: string): TopicConfigDefinition | undefined {
  return BY_NAME.get(name);
}
