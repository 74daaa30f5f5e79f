import { expect, test } from "vitest";
import { brokerConfigDefinition } from "#lib/cluster/broker-configs.ts";
import { faultOf, normalised } from "#lib/cluster/config-definition.ts";
import { topicConfigsFault } from "#lib/cluster/topic-config-check.ts";
import { TOPIC_CONFIGS, topicConfigDefinition } from "#lib/cluster/topic-configs.ts";
import { defined } from "#lib/util/assert.ts";

const LAYERS = { broker: new Map(), allBrokers: new Map(), start: new Map(), defaults: new Map() };

function fault(configs: Record<string, string>): string | undefined {
  return topicConfigsFault(LAYERS, { configs: new Map(Object.entries(configs)), replicationFactor: 1 });
}

// What `kafka-configs.sh --describe --all` of Kafka 4.3 lists for a topic.
const KAFKA_TOPIC_CONFIGS = [
  "cleanup.policy",
  "compression.gzip.level",
  "compression.lz4.level",
  "compression.type",
  "compression.zstd.level",
  "delete.retention.ms",
  "file.delete.delay.ms",
  "flush.messages",
  "flush.ms",
  "follower.replication.throttled.replicas",
  "index.interval.bytes",
  "leader.replication.throttled.replicas",
  "local.retention.bytes",
  "local.retention.ms",
  "max.compaction.lag.ms",
  "max.message.bytes",
  "message.timestamp.after.max.ms",
  "message.timestamp.before.max.ms",
  "message.timestamp.type",
  "min.cleanable.dirty.ratio",
  "min.compaction.lag.ms",
  "min.insync.replicas",
  "preallocate",
  "remote.copy.lag.bytes",
  "remote.copy.lag.ms",
  "remote.log.copy.disable",
  "remote.log.delete.on.disable",
  "remote.storage.enable",
  "retention.bytes",
  "retention.ms",
  "segment.bytes",
  "segment.index.bytes",
  "segment.jitter.ms",
  "segment.ms",
  "unclean.leader.election.enable",
];

test("every topic config of Kafka is known, sorted by name", () => {
  expect(TOPIC_CONFIGS.map(({ name }) => name)).toEqual(KAFKA_TOPIC_CONFIGS);
});

test("every default is valid and in the form in which values are stored", () => {
  for (const definition of TOPIC_CONFIGS) {
    const value = defined(definition.default, definition.name);
    expect(faultOf(definition, value)).toBeUndefined();
    expect(normalised(definition, value)).toBe(value);
  }
});

test("every broker config behind a topic config is known", () => {
  for (const { synonyms } of TOPIC_CONFIGS) {
    for (const { name } of synonyms) expect(brokerConfigDefinition(name)?.name).toBe(name);
  }
});

test.each<[string, string]>([
  ["retention.ms", "-1"],
  ["retention.ms", " 86400000 "],
  ["retention.ms", "9223372036854775807"],
  ["retention.bytes", "-5"],
  ["cleanup.policy", "compact, delete"],
  ["cleanup.policy", ""],
  ["compression.type", "zstd"],
  ["compression.gzip.level", "-1"],
  ["compression.zstd.level", "-131072"],
  ["min.cleanable.dirty.ratio", "1"],
  ["min.cleanable.dirty.ratio", ".5e0"],
  ["preallocate", "TRUE"],
  ["leader.replication.throttled.replicas", "*"],
  ["leader.replication.throttled.replicas", "0:1,12:3"],
  ["max.message.bytes", "0"],
])("%s=%s is valid", (key, value) => {
  expect(fault({ [key]: value })).toBeUndefined();
});

// Each text as Kafka's ConfigDef and LogConfig word it.
test.each<[string, string, string]>([
  ["no.such.config", "1", "Unknown topic config name: no.such.config"],
  ["retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"],
  ["retention.ms", "soon", "Invalid value soon for configuration retention.ms: Not a number of type LONG"],
  ["retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG"],
  ["retention.ms", "1.5", "Invalid value 1.5 for configuration retention.ms: Not a number of type LONG"],
  [
    "retention.ms",
    "9223372036854775808",
    "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG",
  ],
  [
    "max.message.bytes",
    "2147483648",
    "Invalid value 2147483648 for configuration max.message.bytes: Not a number of type INT",
  ],
  ["max.message.bytes", "-1", "Invalid value -1 for configuration max.message.bytes: Value must be at least 0"],
  ["segment.bytes", "100", "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576"],
  ["min.insync.replicas", "0", "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"],
  [
    "min.cleanable.dirty.ratio",
    "1.1",
    "Invalid value 1.1 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
  ],
  [
    "min.cleanable.dirty.ratio",
    "half",
    "Invalid value half for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE",
  ],
  [
    "compression.type",
    "lzma",
    "Invalid value lzma for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
  ],
  [
    "compression.gzip.level",
    "0",
    "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
  ],
  [
    "cleanup.policy",
    "compact,burn",
    "Invalid value compact,burn for configuration cleanup.policy: String must be one of: compact, delete",
  ],
  ["cleanup.policy", "delete,delete", "Configuration 'cleanup.policy' values must not be duplicated."],
  [
    "message.timestamp.type",
    "Sometimes",
    "Invalid value Sometimes for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime",
  ],
  ["preallocate", "yes", "Invalid value yes for configuration preallocate: Expected value to be either true or false"],
  [
    "leader.replication.throttled.replicas",
    "one",
    "Invalid value one for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas " +
      "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
  ],
])("%s=%s is INVALID_CONFIG with Kafka's text", (key, value, text) => {
  expect(fault({ [key]: value })).toBe(text);
});

test("the compaction lags are compared as they count", () => {
  const text = "conflict topic config setting min.compaction.lag.ms (11) > max.compaction.lag.ms (10)";
  expect(fault({ "min.compaction.lag.ms": "11", "max.compaction.lag.ms": "10" })).toBe(text);
  expect(fault({ "min.compaction.lag.ms": "10", "max.compaction.lag.ms": "10" })).toBeUndefined();
  const start = new Map([["log.cleaner.max.compaction.lag.ms", "10"]]);
  const configs = new Map([["min.compaction.lag.ms", "11"]]);
  expect(topicConfigsFault({ ...LAYERS, start }, { configs, replicationFactor: 1 })).toBe(text);
});

test("tiered storage is refused, for there is none", () => {
  expect(fault({ "remote.storage.enable": "True" })).toMatch(/^Tiered Storage functionality is disabled/);
  expect(fault({ "remote.storage.enable": "false" })).toBeUndefined();
});

test.each([
  ["retention.ms", " +007 ", "7"],
  ["preallocate", " True", "true"],
  ["cleanup.policy", " compact ,delete", "compact,delete"],
  ["min.cleanable.dirty.ratio", "1", "1.0"],
])("%s=%j is stored as %s's value would be shown by Kafka", (key, value, stored) => {
  expect(normalised(defined(topicConfigDefinition(key)), value)).toBe(stored);
});
