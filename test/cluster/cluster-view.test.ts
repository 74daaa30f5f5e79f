import { expect, test } from "vitest";
import type { ClusterCommand } from "#lib/cluster/cluster-command.ts";
import { CLUSTER_JOURNAL_ID } from "#lib/cluster/cluster-state-machine.ts";
import { defined } from "#lib/util/assert.ts";
import { SNAPSHOT_RECORDS_MIN } from "#lib/util/limits.ts";
import { ClusterWorld, FOR_GOOD, NEVER, newTopic, topicIdOf } from "./cluster-harness.ts";

async function worldWithTopic() {
  const world = new ClusterWorld();
  const process = await world.start();
  const created = await world.run(process.admin.createTopic(newTopic("t"), FOR_GOOD));
  const { topicId } = created.kind === "done" ? created.value : expect.fail();
  return { world, process, topicId };
}

test("a topic is found by name and id, with the number of the view that says so", async () => {
  const { world, process, topicId } = await worldWithTopic();
  const { view, journal } = process;
  const placement = defined(view.find(topicId));
  expect(placement).toEqual({
    topicId,
    partitionCount: 4,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    baseJournal: 0,
    journalCount: 3,
    clusterSeq: journal.seq,
  });
  expect(view.find(topicId)).toBe(placement);
  expect(view.topicByName("t")?.topicId).toBe(topicId);
  await world.run(process.admin.createTopic(newTopic("other"), FOR_GOOD));
  // The same facts as of a newer view: an older one could not open the topic after another one's drop.
  expect(view.find(topicId)).toEqual({ ...placement, clusterSeq: journal.seq });
});

test("a refresh shows what other processes did before it began", async () => {
  const { world, process } = await worldWithTopic();
  const other = await world.start();
  await world.run(other.admin.createTopic(newTopic("late"), FOR_GOOD));
  expect(process.view.topicByName("late")).toBeUndefined();
  await world.run(process.view.refresh(NEVER));
  expect(process.view.topicByName("late")?.partitionCount).toBe(4);
});

test("topics are listed by name, and those being deleted are not", async () => {
  const { world, process } = await worldWithTopic();
  const { admin, view, journal } = process;
  for (const name of ["b", "a", "C"]) await world.run(admin.createTopic(newTopic(name), FOR_GOOD));
  expect(view.topics().map(({ name }) => name)).toEqual(["C", "a", "b", "t"]);
  const topicId = defined(view.topicByName("b")).topicId;
  await world.run(journal.propose({ kind: "delete-topic", topicId }, { lane: "test", signal: NEVER }));
  expect(view.topics().map(({ name }) => name)).toEqual(["C", "a", "t"]);
  expect(view.topic(topicId)).toBeUndefined();
  expect(view.find(topicId)).toBeUndefined();
  expect(view.topicByName("b")).toBeUndefined();
});

test("settings follow alterations of the topic and of the broker", async () => {
  const { world, process, topicId } = await worldWithTopic();
  const { admin, view } = process;
  const settings = () => defined(view.settings(topicId));
  expect(settings()).toMatchObject({
    messageBytesMax: 1_048_588,
    timestampType: "CreateTime",
    timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    timestampAfterMaxMs: 3_600_000,
    retentionMs: 604_800_000,
    isCompacted: false,
    minCleanableDirtyRatio: 0.5,
    minCompactionLagMs: 0,
    maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
    deleteRetentionMs: 86_400_000,
    isDeleted: true,
  });
  const set = (key: string, value: string) => ({
    replacesAll: false,
    operations: [{ kind: "set", key, value } as const],
  });
  await world.run(admin.alterBrokerConfigs("", set("message.max.bytes", "2000"), FOR_GOOD));
  expect(settings().messageBytesMax).toBe(2_000);
  await world.run(admin.alterBrokerConfigs("7", set("message.max.bytes", "3000"), FOR_GOOD));
  expect(settings().messageBytesMax).toBe(3_000);
  // Broker 8 is another one.
  await world.run(admin.alterBrokerConfigs("8", set("message.max.bytes", "4000"), FOR_GOOD));
  expect(settings().messageBytesMax).toBe(3_000);
  await world.run(admin.alterTopicConfigs("t", set("max.message.bytes", "5000"), FOR_GOOD));
  await world.run(admin.alterTopicConfigs("t", set("cleanup.policy", "compact"), FOR_GOOD));
  expect(settings()).toMatchObject({ messageBytesMax: 5_000, isCompacted: true, isDeleted: false });
  expect(settings()).toBe(settings());
});

test("broker configs are read with the defaults that fit the installation", async () => {
  const world = new ClusterWorld();
  const startConfigs = new Map([["num.partitions", "5"]]);
  const { view } = await world.start({ startConfigs, storeCount: 5 });
  expect(view.brokerInteger("num.partitions")).toBe(5);
  expect(view.brokerInteger("default.replication.factor")).toBe(3);
  expect(view.brokerInteger("min.insync.replicas")).toBe(2);
  expect(view.brokerFlag("auto.create.topics.enable")).toBe(true);
});

test("a view that had to reload from a snapshot keeps nothing from before", async () => {
  const { world, process, topicId } = await worldWithTopic();
  const sleeper = (await world.start()).view;
  expect(sleeper.settings(topicId)?.messageBytesMax).toBe(1_048_588);
  expect(sleeper.brokerInteger("message.max.bytes")).toBe(1_048_588);
  expect(sleeper.topics()).toHaveLength(1);

  const { admin, journal } = process;
  const operations = [{ kind: "set", key: "message.max.bytes", value: "2000" } as const];
  await world.run(admin.alterBrokerConfigs("", { replacesAll: false, operations }, FOR_GOOD));
  await world.run(admin.createTopic(newTopic("second"), FOR_GOOD));
  for (let left = SNAPSHOT_RECORDS_MIN; left > 0; left--) {
    const command = { kind: "allocate-producer-ids", count: 1 } as const;
    await world.run(journal.propose(command, { lane: "test", signal: NEVER }));
  }
  expect(await world.run(journal.takeSnapshot(NEVER))).toBe(true);
  world.journalService.trim(CLUSTER_JOURNAL_ID, journal.seq - 1);

  await world.run(sleeper.refresh(NEVER));
  expect(sleeper.settings(topicId)?.messageBytesMax).toBe(2_000);
  expect(sleeper.brokerInteger("message.max.bytes")).toBe(2_000);
  expect(sleeper.topics().map(({ name }) => name)).toEqual(["second", "t"]);
});

test("brokers are listed by id, those that run apart, and a fold that concerns them is seen at once", async () => {
  const { world, process } = await worldWithTopic();
  const { view, journal } = process;
  const propose = (command: ClusterCommand) =>
    world.run(journal.propose(command, { lane: "brokers", signal: NEVER })).then(({ seq }) => seq);
  const register = (brokerId: number) => {
    const fields = { brokerId, incarnation: topicIdOf(brokerId), storeId: 0, rack: null, endpoints: [] };
    return propose({ kind: "register-broker", ...fields, replaces: undefined });
  };
  expect(view.brokers()).toEqual([]);
  const epochs = [await register(9), await register(2), await register(5)] as const;
  const ids = () => [view.brokers(), view.runningBrokers()].map((all) => all.map(({ brokerId }) => brokerId));
  expect(ids()).toEqual(Array(2).fill([2, 5, 9]));
  expect(view.runningBrokers()).toBe(view.runningBrokers());
  expect(view.runningBroker(5)).toMatchObject({ brokerId: 5, brokerEpoch: epochs[2] });
  await propose({ kind: "stop-broker", brokerId: 5, brokerEpoch: epochs[2] });
  expect(ids()).toEqual([
    [2, 5, 9],
    [2, 9],
  ]);
  expect(view.runningBroker(5)).toBeUndefined();
  expect(view.runningBroker(4)).toBeUndefined();
});
