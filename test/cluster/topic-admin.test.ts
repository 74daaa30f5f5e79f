import { expect, test } from "vitest";
import type { RequestedOperation } from "#lib/cluster/config-alteration.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { partitionsInJournal } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { ClusterWorld, FOR_GOOD, NEVER, newTopic, VALIDATE_ONLY } from "./cluster-harness.ts";

async function start(options: Parameters<ClusterWorld["start"]>[0] = {}) {
  const world = new ClusterWorld();
  const process = await world.start(options);
  return { world, ...process, run: <T>(work: Promise<T>) => world.run(work) };
}

const set = (key: string, value: string): RequestedOperation => ({ kind: "set", key, value });
const keeping = (...operations: RequestedOperation[]) => ({ replacesAll: false, operations });

function refused(error: ErrorCode, message: string | RegExp = /./) {
  return { kind: "refused", error, message: typeof message === "string" ? message : expect.stringMatching(message) };
}

test("a topic takes the broker's defaults where it says -1", async () => {
  const startConfigs = new Map([["num.partitions", "6"]]);
  const { admin, run, view } = await start({ startConfigs, storeCount: 3 });
  const created = await run(admin.createTopic(newTopic("t", { partitionCount: -1 }), FOR_GOOD));
  expect(created).toMatchObject({ kind: "done", value: { partitionCount: 6, replicationFactor: 3 } });
  expect(view.topicByName("t")).toMatchObject({ partitionCount: 6, replicationFactor: 3 });
  expect(view.topicByName("t")?.placement.minInsyncReplicas).toBe(2);
});

test("validating creates nothing and refuses what creating would", async () => {
  const { admin, run, view, journal } = await start();
  const before = journal.seq;
  expect(await run(admin.createTopic(newTopic("t"), VALIDATE_ONLY))).toMatchObject({
    kind: "done",
    value: { topicId: ZERO_UUID, partitionCount: 4 },
  });
  expect(view.topicByName("t")).toBeUndefined();
  expect(journal.seq).toBe(before);
  await run(admin.createTopic(newTopic("t"), FOR_GOOD));
  expect(await run(admin.createTopic(newTopic("t"), VALIDATE_ONLY))).toEqual(
    refused(ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 't' already exists."),
  );
});

test.each<[string, Partial<ReturnType<typeof newTopic>>, ErrorCode, RegExp]>([
  ["a bad name", { name: "a/b" }, ErrorCode.INVALID_TOPIC_EXCEPTION, /'a\/b' contains one or more characters/],
  ["no partitions", { partitionCount: 0 }, ErrorCode.INVALID_PARTITIONS, /non-positive/],
  ["-2 partitions", { partitionCount: -2 }, ErrorCode.INVALID_PARTITIONS, /non-positive/],
  ["too many partitions", { partitionCount: 100_001 }, ErrorCode.INVALID_PARTITIONS, /at most 100000/],
  ["no replicas", { replicationFactor: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR, /larger than 0/],
  ["more replicas than stores", { replicationFactor: 2 }, ErrorCode.INVALID_REPLICATION_FACTOR, /only 1 store/],
  ["an unknown config", { configs: new Map([["x", "1"]]) }, ErrorCode.INVALID_CONFIG, /Unknown topic config name: x/],
  ["a taken name", { name: "taken" }, ErrorCode.TOPIC_ALREADY_EXISTS, /^Topic 'taken' already exists/],
  [
    "a name too close to another",
    { name: "so.close" },
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    /^Topic 'so.close' collides with existing topic: so_close$/,
  ],
])("a topic with %s is refused with a text", async (_, fields, error, text) => {
  const { admin, run } = await start();
  await run(admin.createTopic(newTopic("taken"), FOR_GOOD));
  await run(admin.createTopic(newTopic("so_close"), FOR_GOOD));
  expect(await run(admin.createTopic({ ...newTopic("t"), ...fields }, FOR_GOOD))).toEqual(refused(error, text));
});

test("that a topic exists is said by the newest state, not by an old view", async () => {
  const { world, run, admin, view } = await start();
  await run(admin.createTopic(newTopic("t"), FOR_GOOD));
  const other = await world.start();
  await run(other.admin.deleteTopic(defined(other.view.topicByName("t")).topicId, NEVER));
  // This process still sees it.
  expect(view.topicByName("t")).toBeDefined();
  expect(await run(admin.createTopic(newTopic("t"), FOR_GOOD))).toMatchObject({ kind: "done" });
});

test("a topic that many miss at once is created once", async () => {
  const { run, admin, view, journal } = await start();
  const before = journal.seq;
  const gone = new AbortController();
  const first = admin.createMissingTopic("t", gone.signal);
  const others = [1, 2, 3].map(() => admin.createMissingTopic("t", NEVER));
  gone.abort(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  const results = await run(Promise.all(others));
  expect(results.map(({ kind }) => kind)).toEqual(["done", "done", "done"]);
  expect(journal.seq).toBe(before + 1);
  expect(view.topicByName("t")?.partitionCount).toBe(1);
});

test("partitions are added with Kafka's texts for what is no increase", async () => {
  const { run, admin, view } = await start();
  await run(admin.createTopic(newTopic("t"), FOR_GOOD));
  expect(await run(admin.createPartitions("t", 4, FOR_GOOD))).toEqual(
    refused(ErrorCode.INVALID_PARTITIONS, "Topic already has 4 partition(s)."),
  );
  expect(await run(admin.createPartitions("t", 2, FOR_GOOD))).toEqual(
    refused(ErrorCode.INVALID_PARTITIONS, "The topic t currently has 4 partition(s); 2 would not be an increase."),
  );
  expect(await run(admin.createPartitions("none", 9, FOR_GOOD))).toEqual(refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION));
  await run(admin.createPartitions("t", 9, VALIDATE_ONLY));
  expect(view.topicByName("t")?.partitionCount).toBe(4);
  await run(admin.createPartitions("t", 9, FOR_GOOD));
  expect(view.topicByName("t")?.partitionCount).toBe(9);
});

test("configs are checked as a whole before they are altered", async () => {
  const { run, admin, view } = await start();
  await run(admin.createTopic(newTopic("t", { configs: { "min.compaction.lag.ms": " 50 " } }), FOR_GOOD));
  const configs = () => Object.fromEntries(defined(view.topicByName("t")).configs);
  expect(configs()).toEqual({ "min.compaction.lag.ms": "50" });
  const alter = (...operations: RequestedOperation[]) =>
    run(admin.alterTopicConfigs("t", keeping(...operations), FOR_GOOD));

  expect(await alter(set("max.compaction.lag.ms", "49"))).toEqual(refused(ErrorCode.INVALID_CONFIG, /^conflict/));
  expect(await alter(set("retention.ms", "1"), set("no.such", "1"))).toEqual(
    refused(ErrorCode.INVALID_CONFIG, "Unknown topic config name: no.such"),
  );
  expect(await alter({ kind: "append", key: "retention.ms", value: "1" })).toEqual(
    refused(ErrorCode.INVALID_CONFIG, "Can't APPEND to key retention.ms because its type is not LIST."),
  );
  expect(await alter({ kind: "append", key: "cleanup.policy", value: "burn" })).toEqual(
    refused(ErrorCode.INVALID_CONFIG, /^Invalid value delete,burn for configuration cleanup.policy/),
  );
  expect(configs()).toEqual({ "min.compaction.lag.ms": "50" });

  expect(await alter({ kind: "append", key: "cleanup.policy", value: "compact" })).toMatchObject({ kind: "done" });
  expect(configs()["cleanup.policy"]).toBe("delete,compact");
  expect(await alter({ kind: "delete", key: "cleanup.policy" }, set("retention.ms", "+5"))).toMatchObject({
    kind: "done",
  });
  expect(configs()).toEqual({ "min.compaction.lag.ms": "50", "retention.ms": "5" });

  const replacement = { replacesAll: true, operations: [set("segment.ms", "60000")] };
  await run(admin.alterTopicConfigs("t", replacement, VALIDATE_ONLY));
  expect(configs()["retention.ms"]).toBe("5");
  await run(admin.alterTopicConfigs("t", replacement, FOR_GOOD));
  expect(configs()).toEqual({ "segment.ms": "60000" });
  expect(await run(admin.alterTopicConfigs("none", keeping(), FOR_GOOD))).toEqual(
    refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'none' does not exist."),
  );
});

test("configs that do not fit in one command are refused", async () => {
  const { run, admin } = await start();
  await run(admin.createTopic(newTopic("t"), FOR_GOOD));
  const long = "1:1,".repeat(8_000);
  const keys = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
  const many = [...keys, ...keys, ...keys].map((key) => set(key, long));
  expect(await run(admin.alterTopicConfigs("t", keeping(...many), FOR_GOOD))).toEqual(
    refused(ErrorCode.INVALID_CONFIG, /too large together/),
  );
});

test.each<[RequestedOperation, RegExp]>([
  [set("node.id", "3"), /Cannot update these configs dynamically: node.id$/],
  [set("no.such", "3"), /Unknown broker config names: no.such$/],
  [set("message.max.bytes", "much"), /Not a number of type INT$/],
])("a broker's config is refused with INVALID_REQUEST: %j", async (operation, text) => {
  const { run, admin } = await start();
  const answer = await run(admin.alterBrokerConfigs("7", keeping(operation), FOR_GOOD));
  expect(answer).toEqual(refused(ErrorCode.INVALID_REQUEST, text));
});

test.each(["node.id", "no.such", "message.max.bytes"])("%s goes back to its default, though never set", async (key) => {
  const { run, admin } = await start();
  const answer = await run(admin.alterBrokerConfigs("7", keeping({ kind: "delete", key }), FOR_GOOD));
  expect(answer).toMatchObject({ kind: "done" });
});

test("a new min.insync.replicas reaches the log journals that have the topic open", async () => {
  const { run, admin, view, logJournals } = await start({ storeCount: 3 });
  await run(admin.createTopic(newTopic("t"), FOR_GOOD));
  const topic = defined(view.topicByName("t"));
  const journal = await run(logJournals.journal(1, NEVER));
  const { topicId, replicationFactor, minInsyncReplicas, clusterSeq } = topic.placement;
  const partitionIndexes = partitionsInJournal(topic.placement, 1);
  await run(
    journal.propose(
      { kind: "open", topicId, partitionIndexes, replicationFactor, minInsyncReplicas, clusterSeq },
      { lane: "test", signal: NEVER },
    ),
  );
  const inLog = () => partitionIndexes.map((index) => journal.state.partitions.get(partitionKey(topicId, index)));
  expect(inLog()).toEqual([expect.objectContaining({ minInsyncReplicas: 2 })]);

  await run(admin.alterTopicConfigs("t", keeping(set("min.insync.replicas", "1")), FOR_GOOD));
  expect(inLog()).toEqual([expect.objectContaining({ minInsyncReplicas: 1 })]);
  await run(admin.alterTopicConfigs("t", keeping({ kind: "delete", key: "min.insync.replicas" }), FOR_GOOD));
  await run(admin.alterBrokerConfigs("", keeping(set("min.insync.replicas", "3")), FOR_GOOD));
  expect(inLog()).toEqual([expect.objectContaining({ minInsyncReplicas: 3 })]);
  // A topic has no more replicas than that, so more need not be in sync, as in Kafka.
  await run(admin.alterTopicConfigs("t", keeping(set("min.insync.replicas", "9")), FOR_GOOD));
  expect(inLog()).toEqual([expect.objectContaining({ minInsyncReplicas: 3 })]);
  // Partitions that nobody has opened stay closed.
  expect((await run(logJournals.journal(0, NEVER))).state.partitions.size).toBe(0);
  expect((await run(logJournals.journal(2, NEVER))).state.partitions.size).toBe(0);
  const seq = journal.seq;
  await run(admin.resumeSettings(NEVER));
  expect(journal.seq).toBe(seq);
});

test("a look at the settings of many topics leaves turns to others", async () => {
  const { world, admin, run } = await start();
  const turnsOfResuming = async (): Promise<number> => {
    let isOver = false;
    const resuming = admin.resumeSettings(NEVER).then(() => {
      isOver = true;
    });
    let turns = 0;
    for (; !isOver; turns++) await world.clock.endOfTurn();
    await resuming;
    return turns;
  };
  await run(admin.resumeSettings(NEVER));
  const withoutTopics = await run(turnsOfResuming());
  for (let at = 0; at < 301; at++) await run(admin.createTopic(newTopic(`t-${at}`), FOR_GOOD));
  await run(admin.resumeSettings(NEVER));
  expect(await run(turnsOfResuming())).toBeGreaterThanOrEqual(withoutTopics + 3);
});

test("producer ids are handed out once, by however many processes", async () => {
  const { world, run, producerIds } = await start();
  const other = await world.start();
  const take = (from: typeof producerIds, count: number) =>
    run(Promise.all(Array.from({ length: count }, () => from.next(NEVER))));
  const ids = [
    ...(await take(producerIds, 1_500)),
    ...(await take(other.producerIds, 700)),
    ...(await take(producerIds, 900)),
  ];
  expect(new Set(ids).size).toBe(3_100);
});

test("who gives up waiting for a producer id does not take the others' with it", async () => {
  const { run, producerIds } = await start();
  const impatient = new AbortController();
  const first = producerIds.next(impatient.signal);
  const second = producerIds.next(NEVER);
  impatient.abort(new Error("enough"));
  await expect(first).rejects.toThrow("enough");
  expect(await run(second)).toBe(0);
});
