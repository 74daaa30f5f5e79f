import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigResourceType, ConfigSource, ConfigType } from "#lib/protocol/messages/describe-configs.ts";
import { AlterConfigOperation } from "#lib/protocol/messages/incremental-alter-configs.ts";
import { defined } from "#lib/util/assert.ts";
import { AdminClient } from "./admin-client.ts";

const { SET, DELETE, APPEND } = AlterConfigOperation;
const SESSION = "consumer.session.timeout.ms";
const HEARTBEAT = "consumer.heartbeat.interval.ms";

type Operation = readonly [configOperation: number, name: string, value?: string];

const group = (resourceName: string) => ({ resourceType: ConfigResourceType.GROUP, resourceName });

async function describe(client: AdminClient, groupId: string, keys: readonly string[] | null = null) {
  const answer = await client.connection.send(Apis.DESCRIBE_CONFIGS, 4, {
    resources: [{ ...group(groupId), configurationKeys: keys }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  return defined(answer.results[0]);
}

async function shown(client: AdminClient, groupId: string, key: string) {
  const { configs } = await describe(client, groupId, [key]);
  const { value, configSource: source } = defined(configs[0]);
  return { value, source };
}

async function alter(client: AdminClient, groupId: string, operations: readonly Operation[], validateOnly = false) {
  const configs = operations.map(([configOperation, name, value = null]) => ({ name, configOperation, value }));
  const answer = await client.connection.send(Apis.INCREMENTAL_ALTER_CONFIGS, 1, {
    resources: [{ ...group(groupId), configs }],
    validateOnly,
  });
  return defined(answer.responses[0]);
}

function done(groupId: string) {
  return { ...group(groupId), errorCode: ErrorCode.NONE, errorMessage: null };
}

test("a group that is not there is described with what would count for it", async () => {
  await using client = await AdminClient.start({ "group.consumer.session.timeout.ms": "50000" });
  const { errorCode, configs } = await describe(client, "nobody");
  expect(errorCode).toBe(ErrorCode.NONE);
  expect(configs.map(({ name, value, configSource, configType }) => [name, value, configSource, configType])).toEqual([
    ["consumer.assignment.interval.ms", "1000", ConfigSource.DEFAULT, ConfigType.INT],
    ["consumer.assignor.offload.enable", "true", ConfigSource.DEFAULT, ConfigType.BOOLEAN],
    [HEARTBEAT, "5000", ConfigSource.DEFAULT, ConfigType.INT],
    [SESSION, "50000", ConfigSource.STATIC_BROKER, ConfigType.INT],
  ]);
  expect(configs.every(({ readOnly, isSensitive, documentation }) => !readOnly && !isSensitive && documentation)).toBe(
    true,
  );
});

test("a group's config is set, shown before its broker's, and taken back", async () => {
  await using client = await AdminClient.start({ "group.consumer.session.timeout.ms": "50000" });
  const operations: Operation[] = [
    [SET, SESSION, " 060000"],
    [SET, HEARTBEAT, "6000"],
  ];
  expect(await alter(client, "g", operations, true)).toEqual(done("g"));
  expect(await shown(client, "g", SESSION)).toEqual({ value: "50000", source: ConfigSource.STATIC_BROKER });
  expect(await alter(client, "g", operations)).toEqual(done("g"));
  const { configs } = await describe(client, "g", [SESSION, "no.such.key"]);
  expect(configs).toMatchObject([
    {
      name: SESSION,
      value: "60000",
      configSource: ConfigSource.GROUP,
      synonyms: [
        { name: SESSION, value: "60000", source: ConfigSource.GROUP },
        { name: "group.consumer.session.timeout.ms", value: "50000", source: ConfigSource.STATIC_BROKER },
        { name: "group.consumer.session.timeout.ms", value: "45000", source: ConfigSource.DEFAULT },
      ],
    },
  ]);
  expect((await shown(client, "other", SESSION)).source).toBe(ConfigSource.STATIC_BROKER);
  expect(
    await alter(client, "g", [
      [DELETE, SESSION],
      [DELETE, "no.such.key"],
    ]),
  ).toEqual(done("g"));
  expect(await shown(client, "g", SESSION)).toEqual({ value: "50000", source: ConfigSource.STATIC_BROKER });
  expect(await shown(client, "g", HEARTBEAT)).toEqual({ value: "6000", source: ConfigSource.GROUP });
});

test("AlterConfigs sets what it names of a group and takes the rest back", async () => {
  await using client = await AdminClient.start();
  await alter(client, "g", [[SET, SESSION, "60000"]]);
  const { responses } = await client.connection.send(Apis.ALTER_CONFIGS, 2, {
    resources: [{ ...group("g"), configs: [{ name: HEARTBEAT, value: "7000" }] }],
    validateOnly: false,
  });
  expect(responses).toEqual([done("g")]);
  expect(await shown(client, "g", SESSION)).toEqual({ value: "45000", source: ConfigSource.DEFAULT });
  expect(await shown(client, "g", HEARTBEAT)).toEqual({ value: "7000", source: ConfigSource.GROUP });
});

const { INVALID_CONFIG, INVALID_REQUEST } = ErrorCode;

test.each<[string, string, readonly Operation[], readonly [ErrorCode, string]]>([
  [
    "a session time-out below the broker's",
    "g",
    [[SET, SESSION, "44999"]],
    [INVALID_CONFIG, `${SESSION} must be greater than or equal to group.consumer.min.session.timeout.ms`],
  ],
  [
    "a session time-out above the broker's",
    "g",
    [[SET, SESSION, "60001"]],
    [INVALID_CONFIG, `${SESSION} must be less than or equal to group.consumer.max.session.timeout.ms`],
  ],
  [
    "a heartbeat interval below the broker's",
    "g",
    [[SET, HEARTBEAT, "4999"]],
    [INVALID_CONFIG, `${HEARTBEAT} must be greater than or equal to group.consumer.min.heartbeat.interval.ms`],
  ],
  [
    "a session no longer than a heartbeat interval",
    "g",
    [[SET, HEARTBEAT, "45000"]],
    [INVALID_CONFIG, `${SESSION} must be greater than ${HEARTBEAT}`],
  ],
  [
    "an assignment interval above the broker's",
    "g",
    [[SET, "consumer.assignment.interval.ms", "15001"]],
    [
      INVALID_CONFIG,
      "consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms",
    ],
  ],
  [
    "a text for a number",
    "g",
    [[SET, SESSION, "long"]],
    [INVALID_CONFIG, `Invalid value long for configuration ${SESSION}: Not a number of type INT`],
  ],
  [
    "a time of nothing",
    "g",
    [[SET, SESSION, "0"]],
    [INVALID_CONFIG, `Invalid value 0 for configuration ${SESSION}: Value must be at least 1`],
  ],
  [
    "a config of share groups",
    "g",
    [[SET, "share.session.timeout.ms", "45000"]],
    [INVALID_CONFIG, "Unknown group config name: share.session.timeout.ms"],
  ],
  [
    "an addition to a number",
    "g",
    [[APPEND, SESSION, "1"]],
    [INVALID_CONFIG, `Can't APPEND to key ${SESSION} because its type is not LIST.`],
  ],
  ["no value", "g", [[SET, SESSION]], [INVALID_REQUEST, `Null value not supported for : ${SESSION}`]],
  ["no name", "", [[SET, SESSION, "45000"]], [INVALID_REQUEST, "Default group resources are not allowed."]],
])("%s is refused with Kafka's text", async (_, groupId, operations, [errorCode, errorMessage]) => {
  await using client = await AdminClient.start({ "group.consumer.max.heartbeat.interval.ms": "50000" });
  const refused = { ...group(groupId), errorCode, errorMessage };
  expect(await alter(client, groupId, operations, true)).toEqual(refused);
  expect(await alter(client, groupId, operations)).toEqual(refused);
});

test("a group without a name is not described", async () => {
  await using client = await AdminClient.start();
  const errorMessage = "Group name must not be empty";
  expect(await describe(client, "")).toEqual({
    ...group(""),
    errorCode: INVALID_REQUEST,
    errorMessage,
    configs: [],
  });
});

test("members are told the heartbeat interval of their own group", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "orders" }]);
  await alter(client, "slow", [[SET, HEARTBEAT, "15000"]]);
  const beat = (groupId: string, fields: object) =>
    client.connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { groupId, memberId: "m", memberEpoch: 0, ...fields });
  const joining = { rebalanceTimeoutMs: 60_000, topicPartitions: [], subscribedTopicNames: ["orders"] };
  const slow = await beat("slow", joining);
  expect(slow).toMatchObject({ errorCode: ErrorCode.NONE, heartbeatIntervalMs: 15_000 });
  expect(await beat("other", joining)).toMatchObject({ errorCode: ErrorCode.NONE, heartbeatIntervalMs: 5_000 });
  await alter(client, "slow", [[DELETE, HEARTBEAT]]);
  expect((await beat("slow", { memberEpoch: slow.memberEpoch })).heartbeatIntervalMs).toBe(5_000);
});
