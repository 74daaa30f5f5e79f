import { expect, test } from "vitest";
import type { ClusterCommand, ClusterOutcome, CreateTopicCommand } from "#lib/cluster/cluster-command.ts";
import { type ClusterState, initialClusterState } from "#lib/cluster/cluster-state.ts";
import { foldCluster } from "#lib/cluster/fold-cluster.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { CONFIG_VALUE_LENGTH_MAX, PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX } from "#lib/util/limits.ts";
import { topicIdOf } from "./cluster-harness.ts";

function createTopic(n: number, fields: Partial<CreateTopicCommand> = {}): CreateTopicCommand {
  return {
    kind: "create-topic",
    topicId: topicIdOf(n),
    name: `topic-${n}`,
    partitionCount: 3,
    replicationFactor: 1,
    journalCount: 12,
    configs: [],
    ...fields,
  };
}

/** Folds the commands as records 1, 2 and so on. */
function foldAll(state: ClusterState, commands: readonly ClusterCommand[]): ClusterOutcome[] {
  return commands.map((command, at) =>
    foldCluster(state, command, { seq: at + 1, indexInRecord: 0, proposedAtMs: 1_000 + at }),
  );
}

test("a topic gets the journals after those of the topic before it", () => {
  const outcomes = foldAll(initialClusterState(), [
    createTopic(1, { partitionCount: 5 }),
    createTopic(2, { partitionCount: 8 }),
    createTopic(3, { partitionCount: 1 }),
    createTopic(4, { journalCount: 1 }),
  ]);
  expect(outcomes.map((each) => (each.kind === "created" ? each.baseJournal : each))).toEqual([0, 5, 1, 0]);
});

test.each<[string, Partial<CreateTopicCommand>, ErrorCode, string]>([
  ["its name is taken", { name: "topic-1" }, ErrorCode.TOPIC_ALREADY_EXISTS, "topic-1"],
  ["its id is taken", { topicId: topicIdOf(1) }, ErrorCode.TOPIC_ALREADY_EXISTS, topicIdOf(1)],
  ["its name differs in . and _ alone", { name: "a.b_c" }, ErrorCode.INVALID_TOPIC_EXCEPTION, "a_b.c"],
  ["it has no partitions", { partitionCount: 0 }, ErrorCode.INVALID_PARTITIONS, ""],
  ["it has too many partitions", { partitionCount: PARTITIONS_PER_TOPIC_MAX + 1 }, ErrorCode.INVALID_PARTITIONS, ""],
  ["it has no replicas", { replicationFactor: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR, ""],
  ["it has no journals", { journalCount: 0 }, ErrorCode.INVALID_REQUEST, ""],
])("a topic is refused if %s", (_, fields, error, detail) => {
  const state = initialClusterState();
  foldAll(state, [createTopic(1), createTopic(2, { name: "a_b.c" })]);
  const before = structuredClone(state);
  const [outcome] = foldAll(state, [createTopic(3, fields)]);
  expect(outcome).toEqual({ kind: "refused", error, detail });
  expect(state).toEqual(before);
});

test("partitions of all topics together are bounded, those added later too", () => {
  const state = initialClusterState();
  const count = PARTITIONS_MAX / PARTITIONS_PER_TOPIC_MAX;
  const full = Array.from({ length: count - 1 }, (_, n) =>
    createTopic(n, { partitionCount: PARTITIONS_PER_TOPIC_MAX }),
  );
  foldAll(state, full);
  const outcomes = foldAll(state, [
    createTopic(200, { partitionCount: PARTITIONS_PER_TOPIC_MAX - 1 }),
    createTopic(201, { partitionCount: 2 }),
    createTopic(202, { partitionCount: 1 }),
    { kind: "create-partitions", topicId: topicIdOf(202), partitionCount: 2 },
  ]);
  const refused = { kind: "refused", error: ErrorCode.POLICY_VIOLATION, detail: "partitions" };
  expect(outcomes).toEqual([expect.anything(), refused, { kind: "created", baseJournal: expect.anything() }, refused]);
  expect(state.partitionCount).toBe(PARTITIONS_MAX);
});

test("partitions are added and never taken away", () => {
  const state = initialClusterState();
  const grow = (partitionCount: number) =>
    ({ kind: "create-partitions", topicId: topicIdOf(1), partitionCount }) as const;
  const outcomes = foldAll(state, [createTopic(1), grow(5), grow(5), grow(4), grow(6)]);
  const refused = { kind: "refused", error: ErrorCode.INVALID_PARTITIONS, detail: "5" };
  expect(outcomes.slice(1)).toEqual([{ kind: "done" }, refused, refused, { kind: "done" }]);
  expect(state.topics.get(topicIdOf(1))?.partitionCount).toBe(6);
  expect(state.partitionCount).toBe(6);
});

test("a topic keeps its name from its mark until it is forgotten", () => {
  const state = initialClusterState();
  const topicId = topicIdOf(1);
  const outcomes = foldAll(state, [
    createTopic(1),
    { kind: "forget-topic", topicId },
    { kind: "delete-topic", topicId },
    { kind: "delete-topic", topicId },
    createTopic(2, { name: "topic-1" }),
    { kind: "create-partitions", topicId, partitionCount: 9 },
    { kind: "alter-topic-configs", topicId, alteration: { replacesAll: true, operations: [] } },
    { kind: "forget-topic", topicId },
    { kind: "forget-topic", topicId },
    createTopic(4, { name: "topic-1" }),
  ]);
  const gone = { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_ID, detail: "" };
  const taken = { kind: "refused", error: ErrorCode.TOPIC_ALREADY_EXISTS, detail: "topic-1" };
  expect(outcomes).toEqual([
    { kind: "created", baseJournal: 0 },
    { kind: "refused", error: ErrorCode.INVALID_REQUEST, detail: "topic-1" },
    { kind: "deleting", deletingSince: 3 },
    gone,
    taken,
    gone,
    gone,
    { kind: "done" },
    gone,
    { kind: "created", baseJournal: 3 },
  ]);
  expect([...state.topicIdsByName]).toEqual([["topic-1", topicIdOf(4)]]);
  expect(state.partitionCount).toBe(3);
});

test("alterations of configs work on what stands there", () => {
  const state = initialClusterState();
  const topicId = topicIdOf(1);
  const key = "cleanup.policy";
  const configs = () => Object.fromEntries(state.topics.get(topicId)?.configs ?? []);
  foldAll(state, [createTopic(1, { configs: [{ key: "retention.ms", value: "1" }] })]);
  const alter = (operations: Extract<ClusterCommand, { kind: "alter-topic-configs" }>["alteration"]["operations"]) =>
    foldAll(state, [{ kind: "alter-topic-configs", topicId, alteration: { replacesAll: false, operations } }]);

  alter([{ kind: "append", key, value: "compact", inherited: "delete" }]);
  expect(configs()).toEqual({ "retention.ms": "1", [key]: "delete,compact" });
  alter([{ kind: "append", key, value: "compact", inherited: "delete" }]);
  expect(configs()[key]).toBe("delete,compact");
  alter([{ kind: "subtract", key, value: "delete", inherited: "" }]);
  expect(configs()[key]).toBe("compact");
  alter([
    { kind: "delete", key },
    { kind: "set", key: "segment.ms", value: "5" },
  ]);
  expect(configs()).toEqual({ "retention.ms": "1", "segment.ms": "5" });
  foldAll(state, [
    {
      kind: "alter-topic-configs",
      topicId,
      alteration: { replacesAll: true, operations: [{ kind: "set", key: "flush.ms", value: "7" }] },
    },
  ]);
  expect(configs()).toEqual({ "flush.ms": "7" });
});

test("a list that would grow beyond its limit is refused, and the rest of the alteration with it", () => {
  const state = initialClusterState();
  const topicId = topicIdOf(1);
  const key = "leader.replication.throttled.replicas";
  const long = "1:1,".repeat(CONFIG_VALUE_LENGTH_MAX / 4);
  const [, outcome] = foldAll(state, [
    createTopic(1, { configs: [{ key, value: `${long}1:2` }] }),
    {
      kind: "alter-topic-configs",
      topicId,
      alteration: {
        replacesAll: false,
        operations: [
          { kind: "set", key: "flush.ms", value: "7" },
          { kind: "set", key, value: "x".repeat(CONFIG_VALUE_LENGTH_MAX + 1) },
        ],
      },
    },
  ]);
  expect(outcome).toEqual({ kind: "refused", error: ErrorCode.INVALID_CONFIG, detail: key });
  expect(state.topics.get(topicId)?.configs.has("flush.ms")).toBe(false);
});

test("broker configs stand by broker, and a broker without any is not kept", () => {
  const state = initialClusterState();
  const alter = (brokerName: string, value: string | undefined): ClusterCommand => ({
    kind: "alter-broker-configs",
    brokerName,
    alteration: {
      replacesAll: false,
      operations: [
        value === undefined
          ? { kind: "delete", key: "log.retention.ms" }
          : { kind: "set", key: "log.retention.ms", value },
      ],
    },
  });
  foldAll(state, [alter("", "1"), alter("7", "2"), alter("8", "3"), alter("8", undefined)]);
  expect([...state.brokerConfigs].map(([name, configs]) => [name, ...configs.values()])).toEqual([
    ["", "1"],
    ["7", "2"],
  ]);
});

test("blocks of producer ids do not overlap", () => {
  const outcomes = foldAll(initialClusterState(), [
    { kind: "allocate-producer-ids", count: 1_000 },
    { kind: "allocate-producer-ids", count: 10 },
    { kind: "allocate-producer-ids", count: 0 },
    { kind: "allocate-producer-ids", count: 1 },
  ]);
  expect(outcomes).toEqual([
    { kind: "producer-ids", first: 0 },
    { kind: "producer-ids", first: 1_000 },
    { kind: "refused", error: ErrorCode.INVALID_REQUEST, detail: "" },
    { kind: "producer-ids", first: 1_010 },
  ]);
});

test("a store's id and identity belong together", () => {
  const state = initialClusterState();
  const [a, b] = [topicIdOf(101), topicIdOf(102)];
  const register = (storeId: number, identity: typeof a, url: string) =>
    ({ kind: "register-store", storeId, identity, url }) as const;
  const outcomes = foldAll(state, [
    register(0, a, "file:///a"),
    register(0, b, "file:///b"),
    register(1, a, "file:///a"),
    register(1, b, "file:///b"),
    register(0, a, "file:///moved"),
  ]);
  const error = ErrorCode.DUPLICATE_BROKER_REGISTRATION;
  expect(outcomes).toEqual([
    { kind: "done" },
    { kind: "refused", error, detail: a },
    { kind: "refused", error, detail: "0" },
    { kind: "done" },
    { kind: "done" },
  ]);
  expect([...state.stores.values()].map(({ url }) => url)).toEqual(["file:///moved", "file:///b"]);
});

test("the first name of the cluster stands", () => {
  const outcomes = foldAll(initialClusterState(), [
    { kind: "name-cluster", clusterId: "one" },
    { kind: "name-cluster", clusterId: "two" },
  ]);
  expect(outcomes).toEqual([
    { kind: "named", clusterId: "one" },
    { kind: "named", clusterId: "one" },
  ]);
});
