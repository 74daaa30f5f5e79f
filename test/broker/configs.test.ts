import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigResourceType, ConfigSource, ConfigType } from "#lib/protocol/messages/describe-configs.ts";
import { AlterConfigOperation } from "#lib/protocol/messages/incremental-alter-configs.ts";
import { defined } from "#lib/util/assert.ts";
import { AdminClient } from "./admin-client.ts";

const { TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS } = ConfigResourceType;
const { SET, DELETE, APPEND, SUBTRACT } = AlterConfigOperation;

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

const topic = (resourceName: string): Resource => ({ resourceType: TOPIC, resourceName });
const broker = (resourceName: string): Resource => ({ resourceType: BROKER, resourceName });

async function describe(client: AdminClient, resource: Resource, keys: readonly string[] | null = null, version = 4) {
  const answer = await client.connection.send(Apis.DESCRIBE_CONFIGS, version, {
    resources: [{ ...resource, configurationKeys: keys }],
    ...(version >= 1 ? { includeSynonyms: true } : {}),
    ...(version >= 3 ? { includeDocumentation: true } : {}),
  });
  return defined(answer.results[0]);
}

async function valueIn(client: AdminClient, resource: Resource, key: string) {
  const { configs } = await describe(client, resource, [key]);
  return configs[0] === undefined ? undefined : { value: configs[0].value, source: configs[0].configSource };
}

type Operation = readonly [configOperation: number, name: string, value?: string];

async function alter(client: AdminClient, resource: Resource, operations: readonly Operation[], validateOnly = false) {
  const configs = operations.map(([configOperation, name, value = null]) => ({ name, configOperation, value }));
  const answer = await client.connection.send(Apis.INCREMENTAL_ALTER_CONFIGS, 1, {
    resources: [{ ...resource, configs }],
    validateOnly,
  });
  return defined(answer.responses[0]);
}

test("a topic's config is described with its type, source, synonyms and documentation", async () => {
  await using client = await AdminClient.start({ "message.max.bytes": "2000" });
  await client.createTopics([{ name: "t", configs: [{ name: "max.message.bytes", value: "1000" }] }]);
  const { configs } = await describe(client, topic("t"), ["max.message.bytes", "no.such.key"]);
  expect(configs).toEqual([
    {
      name: "max.message.bytes",
      value: "1000",
      readOnly: false,
      isDefault: false,
      configSource: ConfigSource.TOPIC,
      isSensitive: false,
      synonyms: [
        { name: "max.message.bytes", value: "1000", source: ConfigSource.TOPIC },
        { name: "message.max.bytes", value: "2000", source: ConfigSource.STATIC_BROKER },
        { name: "message.max.bytes", value: "1048588", source: ConfigSource.DEFAULT },
      ],
      configType: ConfigType.INT,
      documentation: expect.stringMatching(/largest record batch/),
    },
  ]);
});

test.each([0, 1, 3, 4])("version %i describes every config of a topic", async (version) => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t", configs: [{ name: "retention.ms", value: "7" }] }]);
  for (const keys of [null, []]) {
    const { configs } = await describe(client, topic("t"), keys, version);
    expect(configs).toHaveLength(35);
    const isDefault = configs.filter((each) =>
      version === 0 ? each.isDefault : each.configSource === ConfigSource.DEFAULT,
    );
    expect(isDefault).toHaveLength(34);
  }
});

test("this broker is described with what may change and what may not", async () => {
  await using client = await AdminClient.start({ "log.retention.hours": "5" });
  const { configs, errorCode } = await describe(client, broker("0"));
  expect(errorCode).toBe(ErrorCode.NONE);
  const byName = new Map(configs.map((each) => [each.name, each]));
  expect(byName.get("log.retention.hours")).toMatchObject({
    value: "5",
    configSource: ConfigSource.STATIC_BROKER,
    readOnly: true,
  });
  expect(byName.get("message.max.bytes")).toMatchObject({ configSource: ConfigSource.DEFAULT, readOnly: false });
  expect(byName.get("node.id")).toMatchObject({ value: "0", readOnly: true });
  expect(byName.get("default.replication.factor")).toMatchObject({ value: "1" });
  expect(configs.every(({ documentation }) => documentation !== null && documentation !== "")).toBe(true);
});

test.each<[Resource, ErrorCode, RegExp]>([
  [topic("none"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /./],
  [topic("b@d"), ErrorCode.INVALID_TOPIC_EXCEPTION, /'b@d'/],
  [broker("1"), ErrorCode.INVALID_REQUEST, /^Unexpected broker id, expected 0 or empty string, but received 1$/],
  [broker("one"), ErrorCode.INVALID_REQUEST, /must be an integer/],
  [{ resourceType: BROKER_LOGGER, resourceName: "" }, ErrorCode.INVALID_REQUEST, /must not be empty/],
  [{ resourceType: CLIENT_METRICS, resourceName: "m" }, ErrorCode.INVALID_REQUEST, /Unsupported resource type: 16/],
  [{ resourceType: 99, resourceName: "" }, ErrorCode.INVALID_REQUEST, /Unsupported resource type: 99/],
])("%j is not described but refused", async (resource, errorCode, text) => {
  await using client = await AdminClient.start();
  const answer = await describe(client, resource);
  expect(answer).toMatchObject({ ...resource, errorCode, errorMessage: expect.stringMatching(text), configs: [] });
});

test("loggers are not configurable: there are none to describe", async () => {
  await using client = await AdminClient.start();
  const answer = await describe(client, { resourceType: BROKER_LOGGER, resourceName: "0" });
  expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, configs: [] });
});

test("a topic's configs are altered one by one", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t" }]);
  const t = topic("t");
  const done = { ...t, errorCode: ErrorCode.NONE, errorMessage: null };
  expect(await alter(client, t, [[SET, "retention.ms", "5"]], true)).toEqual(done);
  expect(await valueIn(client, t, "retention.ms")).toEqual({ value: "604800000", source: ConfigSource.DEFAULT });
  const operations: Operation[] = [
    [SET, "retention.ms", "5"],
    [APPEND, "cleanup.policy", "compact"],
  ];
  expect(await alter(client, t, operations)).toEqual(done);
  expect(await valueIn(client, t, "retention.ms")).toEqual({ value: "5", source: ConfigSource.TOPIC });
  expect(await valueIn(client, t, "cleanup.policy")).toEqual({ value: "delete,compact", source: ConfigSource.TOPIC });
  await alter(client, t, [
    [SUBTRACT, "cleanup.policy", "delete"],
    [DELETE, "retention.ms"],
  ]);
  expect(await valueIn(client, t, "cleanup.policy")).toEqual({ value: "compact", source: ConfigSource.TOPIC });
  expect(await valueIn(client, t, "retention.ms")).toEqual({ value: "604800000", source: ConfigSource.DEFAULT });
});

test.each<[string, Resource, readonly Operation[], [ErrorCode, RegExp]]>([
  ["an invalid value", topic("t"), [[SET, "retention.ms", "-2"]], [ErrorCode.INVALID_CONFIG, /at least -1$/]],
  ["an unknown key", topic("t"), [[SET, "no.such", "1"]], [ErrorCode.INVALID_CONFIG, /Unknown topic config name/]],
  ["a number as a list", topic("t"), [[APPEND, "retention.ms", "1"]], [ErrorCode.INVALID_CONFIG, /not LIST/]],
  ["no value", topic("t"), [[SET, "retention.ms"]], [ErrorCode.INVALID_REQUEST, /Null value not supported for : ret/]],
  [
    "a key twice",
    topic("t"),
    [
      [SET, "flush.ms", "1"],
      [DELETE, "flush.ms"],
    ],
    [ErrorCode.INVALID_REQUEST, /duplicate/],
  ],
  [
    "an unknown operation",
    topic("t"),
    [[7, "flush.ms", "1"]],
    [ErrorCode.INVALID_REQUEST, /Unknown operations type 7/],
  ],
  ["an unknown topic", topic("x"), [[SET, "flush.ms", "1"]], [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /'x' does not/]],
  ["a bad topic", topic("b@d"), [[SET, "flush.ms", "1"]], [ErrorCode.INVALID_TOPIC_EXCEPTION, /b@d/]],
  ["another broker", broker("3"), [[SET, "message.max.bytes", "1"]], [ErrorCode.INVALID_REQUEST, /received 3/]],
  ["a fixed config", broker("0"), [[SET, "node.id", "1"]], [ErrorCode.INVALID_REQUEST, /Cannot update these configs/]],
  [
    "metrics of clients",
    { resourceType: CLIENT_METRICS, resourceName: "m" },
    [],
    [ErrorCode.INVALID_REQUEST, /Unsupported resource type/],
  ],
])("an alteration with %s is refused with a text", async (_, resource, operations, [errorCode, text]) => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t" }]);
  expect(await alter(client, resource, operations)).toEqual({
    ...resource,
    errorCode,
    errorMessage: expect.stringMatching(text),
  });
});

test("broker configs are altered for this broker, or for all, and topics inherit them", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t" }]);
  const key = "message.max.bytes";
  await alter(client, broker(""), [[SET, key, "1000"]]);
  const forAll = await describe(client, broker(""));
  expect(forAll.configs).toMatchObject([
    { name: key, value: "1000", configSource: ConfigSource.DYNAMIC_DEFAULT_BROKER },
  ]);
  await alter(client, broker("0"), [[SET, key, "2000"]]);
  expect(await valueIn(client, broker("0"), key)).toEqual({ value: "2000", source: ConfigSource.DYNAMIC_BROKER });
  expect(await valueIn(client, topic("t"), "max.message.bytes")).toEqual({
    value: "2000",
    source: ConfigSource.DYNAMIC_BROKER,
  });
  await alter(client, broker("0"), [[DELETE, key]]);
  expect(await valueIn(client, topic("t"), "max.message.bytes")).toEqual({
    value: "1000",
    source: ConfigSource.DYNAMIC_DEFAULT_BROKER,
  });
});

test("AlterConfigs sets what it names and takes the rest back", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t", configs: [{ name: "retention.ms", value: "5" }] }]);
  const send = (resources: readonly Resource[], value: string | null, validateOnly = false) =>
    client.connection.send(Apis.ALTER_CONFIGS, 2, {
      resources: resources.map((each) => ({ ...each, configs: [{ name: "segment.ms", value }] })),
      validateOnly,
    });
  await send([topic("t")], "60000", true);
  expect((await valueIn(client, topic("t"), "retention.ms"))?.value).toBe("5");
  expect((await send([topic("t")], "60000")).responses).toMatchObject([{ errorCode: ErrorCode.NONE }]);
  expect((await valueIn(client, topic("t"), "segment.ms"))?.value).toBe("60000");
  expect((await valueIn(client, topic("t"), "retention.ms"))?.source).toBe(ConfigSource.DEFAULT);
  expect((await send([topic("t")], null)).responses).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST }]);
  const twice = await send([topic("t"), topic("x"), topic("t")], "1");
  expect(twice.responses.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).toEqual([
    [ErrorCode.INVALID_REQUEST, "Each resource must appear at most once."],
    [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'x' does not exist."],
    [ErrorCode.INVALID_REQUEST, "Each resource must appear at most once."],
  ]);
});
