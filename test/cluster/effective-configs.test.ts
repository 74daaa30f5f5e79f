import { expect, test } from "vitest";
import {
  BROKER_CONFIGS,
  BrokerConfigError,
  brokerConfigDefinition,
  parseBrokerConfigs,
} from "#lib/cluster/broker-configs.ts";
import { faultOf } from "#lib/cluster/config-definition.ts";
import {
  type BrokerConfigLayers,
  effectiveBrokerConfig,
  effectiveTopicConfig,
} from "#lib/cluster/effective-configs.ts";
import { topicConfigDefinition } from "#lib/cluster/topic-configs.ts";
import { defined } from "#lib/util/assert.ts";

type Values = Record<string, string>;

function layers(values: {
  broker?: Values;
  allBrokers?: Values;
  start?: Values;
  defaults?: Values;
}): BrokerConfigLayers {
  const map = (each: Values | undefined) => new Map(Object.entries(each ?? {}));
  return {
    broker: map(values.broker),
    allBrokers: map(values.allBrokers),
    start: map(values.start),
    defaults: map(values.defaults),
  };
}

function topicConfig(name: string, of: BrokerConfigLayers, own: Values = {}, replicationFactor = 1) {
  const topic = { configs: new Map(Object.entries(own)), replicationFactor };
  return effectiveTopicConfig(of, topic, defined(topicConfigDefinition(name)));
}

test("the nearest layer counts, and every layer is shown", () => {
  const of = layers({
    broker: { "message.max.bytes": "2" },
    allBrokers: { "message.max.bytes": "3" },
    start: { "message.max.bytes": "4" },
  });
  const name = "message.max.bytes";
  const synonyms = [
    { name, value: "2", source: "broker" },
    { name, value: "3", source: "all-brokers" },
    { name, value: "4", source: "start" },
    { name, value: "1048588", source: "default" },
  ];
  expect(topicConfig("max.message.bytes", of, { "max.message.bytes": "1" })).toEqual({
    name: "max.message.bytes",
    value: "1",
    source: "topic",
    synonyms: [{ name: "max.message.bytes", value: "1", source: "topic" }, ...synonyms],
  });
  expect(topicConfig("max.message.bytes", of)).toEqual({
    name: "max.message.bytes",
    value: "2",
    source: "broker",
    synonyms,
  });
  expect(effectiveBrokerConfig(of, defined(brokerConfigDefinition(name)))).toMatchObject({ value: "2", synonyms });
});

test.each<[Values, string]>([
  [{}, "604800000"],
  [{ "log.retention.hours": "2" }, "7200000"],
  [{ "log.retention.hours": "2", "log.retention.minutes": "3" }, "180000"],
  [{ "log.retention.hours": "2", "log.retention.minutes": "3", "log.retention.ms": "4" }, "4"],
  [{ "log.retention.hours": "-1" }, "-1"],
])("with %j a topic keeps its records for %s ms", (start, value) => {
  expect(topicConfig("retention.ms", layers({ start })).value).toBe(value);
});

test("as on Kafka, a coarser unit counts but is not shown as a synonym", () => {
  const found = topicConfig("retention.ms", layers({ start: { "log.retention.hours": "2" } }));
  expect(found).toMatchObject({ source: "default", synonyms: [] });
  const exact = topicConfig("retention.ms", layers({ start: { "log.retention.ms": "5", "log.retention.hours": "2" } }));
  expect(exact).toMatchObject({
    source: "start",
    synonyms: [
      { name: "log.retention.ms", value: "5", source: "start" },
      { name: "log.retention.hours", value: "2", source: "start" },
      { name: "log.retention.hours", value: "168", source: "default" },
    ],
  });
});

test.each([
  [1, "1"],
  [2, "2"],
  [3, "2"],
  [5, "3"],
])("unless set anywhere, a topic of %s replicas wants a majority in sync", (replicationFactor, value) => {
  const defaults = { "min.insync.replicas": "9" };
  expect(topicConfig("min.insync.replicas", layers({ defaults }), {}, replicationFactor).value).toBe(value);
  const start = { "min.insync.replicas": "7" };
  expect(topicConfig("min.insync.replicas", layers({ start, defaults }), {}, replicationFactor).value).toBe("7");
});

test("every broker config's default is valid, and names are sorted and unique", () => {
  const names = BROKER_CONFIGS.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)].sort());
  for (const definition of BROKER_CONFIGS) {
    if (definition.default !== null) expect(faultOf(definition, definition.default)).toBeUndefined();
    expect(definition.documentation).not.toBe("");
  }
});

test("configs given at start are checked, and the last one of a name counts", () => {
  const parsed = parseBrokerConfigs([
    ["num.partitions", " 3 "],
    ["auto.create.topics.enable", "FALSE"],
    ["num.partitions", "4"],
  ]);
  expect(Object.fromEntries(parsed)).toEqual({ "num.partitions": "4", "auto.create.topics.enable": "false" });
  expect(() => parseBrokerConfigs([["num.partitons", "4"]])).toThrow(
    new BrokerConfigError("Unknown broker config name: num.partitons"),
  );
  expect(() => parseBrokerConfigs([["num.partitions", "0"]])).toThrow(
    "Invalid value 0 for configuration num.partitions: Value must be at least 1",
  );
});
