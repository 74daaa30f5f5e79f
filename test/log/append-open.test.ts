import { expect, test } from "vitest";
import type { LogCommand } from "#lib/log/log-command.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { replicasOfJournal } from "#lib/log/opener.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { appendOf, LogWorld, NEVER, textsOf, topicOf } from "./append-harness.ts";

// Opening of partitions, and topics that are dropped meanwhile.

const UNKNOWN = [expect.objectContaining({ kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })];

/** Kinds of all commands folded by a process. */
function commandsOf(process: ReturnType<LogWorld["process"]>): LogCommand[] {
  const commands: LogCommand[] = [];
  process.journals.onFold((_journal, command) => commands.push(command));
  return commands;
}

test("the first append of a topic places replicas and opens the topic's partitions of the journal, once", async () => {
  const world = new LogWorld(3);
  const topic = world.addTopic(topicOf(1, { replicationFactor: 2, partitionCount: 5 }));
  const process = world.process();
  const commands = commandsOf(process);
  await world.run(Promise.all([0, 2, 0, 4].map((index) => process.append([appendOf(topic, index, "a")]))));
  expect(commands.map((one) => one.kind)).toEqual(["place-replicas", "open", "append"]);
  expect(commands[1]).toMatchObject({ partitionIndexes: [0, 2, 4], replicationFactor: 2, minInsyncReplicas: 1 });
  await world.run(process.append([appendOf(topic, 1, "b")]));
  expect(process.journals.opened(1)?.state.replicas).toEqual([1, 2, 0]);
  // A later flush costs one command only.
  const count = commands.length;
  await world.run(process.append([appendOf(topic, 3, "c")]));
  expect(commands.slice(count).map((one) => one.kind)).toEqual(["append"]);
});

test("replicas of a journal are the stores in turn", () => {
  expect(replicasOfJournal(0, [0, 1, 2])).toEqual([0, 1, 2]);
  expect(replicasOfJournal(5, [0, 1, 2])).toEqual([2, 0, 1]);
  expect(replicasOfJournal(11, [4])).toEqual([4]);
});

test("a journal that was placed when there were fewer stores gets the others behind them, and nothing moves", async () => {
  const world = new LogWorld(3);
  const old = world.addTopic(topicOf(1));
  const young = world.addTopic(topicOf(2, { replicationFactor: 3, minInsyncReplicas: 2 }));
  const first = world.process({ storeIds: [1], settings: { inlineBytesMax: 0 } });
  await world.run(first.append([appendOf(old, 1, "a")]));
  const process = world.process({ settings: { inlineBytesMax: 0 } });
  await world.run(process.journals.openAll(NEVER));
  expect(process.journals.opened(1)?.state.replicas).toEqual([1]);
  const commands = commandsOf(process);
  const answers = await world.run(process.append([appendOf(young, 1, "b"), appendOf(old, 1, "c")]));
  expect(answers).toMatchObject([{ kind: "appended" }, { kind: "appended" }]);
  expect(process.journals.opened(1)?.state).toMatchObject({ replicas: [1, 2, 0], isr: [1, 2, 0] });
  await world.clock.advance(1_000);
  expect(world.storeServices.map((service) => service.objects.size)).toEqual([1, 3, 1]);
  // What the older process knows is enough for it.
  await world.run(first.append([appendOf(old, 1, "d")]));
  await world.run(process.append([appendOf(young, 1, "e"), appendOf(young, 3, "f")]));
  expect(commands.filter((one) => one.kind === "add-replicas")).toHaveLength(1);
  expect(textsOf(world, process, old, 1)).toEqual(["a", "c", "d"]);
});

test("a flush goes to the stores of its topics' replication factor", async () => {
  const world = new LogWorld(3);
  const one = world.addTopic(topicOf(1, { replicationFactor: 1 }));
  const three = world.addTopic(topicOf(2, { replicationFactor: 3, minInsyncReplicas: 2 }));
  const process = world.process({ settings: { inlineBytesMax: 0 } });
  await world.run(process.append([appendOf(one, 0, "a"), appendOf(three, 0, "b"), appendOf(three, 1, "c")]));
  await world.clock.advance(1_000);
  expect(world.storeServices.map((service) => service.objects.size)).toEqual([2, 1, 1]);
  expect(textsOf(world, process, three, 1)).toEqual(["c"]);
});

test("one of three stores down changes nothing for acks=all with two in sync", async () => {
  const world = new LogWorld(3);
  const topic = world.addTopic(topicOf(1, { replicationFactor: 3, minInsyncReplicas: 2 }));
  const process = world.process({ settings: { inlineBytesMax: 0 } });
  defined(world.storeServices[1]).isDown = true;
  expect(await world.run(process.append([appendOf(topic, 0, "a")]))).toMatchObject([{ kind: "appended" }]);
  defined(world.storeServices[0]).isDown = true;
  const [answer] = await world.run(process.append([appendOf(topic, 0, "b")]));
  expect(answer).toMatchObject({ kind: "refused", error: ErrorCode.KAFKA_STORAGE_ERROR });
});

test("min.insync.replicas binds acks=all only", async () => {
  const world = new LogWorld(2);
  const topic = world.addTopic(topicOf(1, { replicationFactor: 2, minInsyncReplicas: 3 }));
  const process = world.process({ settings: { inlineBytesMax: 0 } });
  const [all] = await world.run(process.append([appendOf(topic, 0, "a")]));
  expect(all).toEqual({ kind: "refused", error: ErrorCode.NOT_ENOUGH_REPLICAS });
  expect(world.storeServices[0]?.objects.size).toBe(0);
  const [one] = await world.run(process.append([appendOf(topic, 0, "b")], { requireMinInsync: false }));
  expect(one).toMatchObject({ kind: "appended", baseOffset: 0 });
});

test("settings follow a newer view without a new partition", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process();
  await world.run(process.append([appendOf(topic, 0, "a")]));
  const stricter = world.addTopic({ ...topic, minInsyncReplicas: 2, clusterSeq: 20 });
  const [answer] = await world.run(process.append([appendOf(stricter, 0, "b")]));
  expect(answer).toMatchObject({ error: ErrorCode.NOT_ENOUGH_REPLICAS });
});

test("settings follow a newer view, and partitions are added", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1, { partitionCount: 2 }));
  const process = world.process();
  await world.run(process.append([appendOf(topic, 0, "a")]));
  const grown = world.addTopic({ ...topic, partitionCount: 4, minInsyncReplicas: 2, clusterSeq: 20 });
  const [refused, unmet] = await world.run(process.append([appendOf(grown, 0, "b"), appendOf(grown, 2, "c")]));
  expect(refused).toMatchObject({ error: ErrorCode.NOT_ENOUGH_REPLICAS });
  expect(unmet).toMatchObject({ error: ErrorCode.NOT_ENOUGH_REPLICAS });
  expect(process.partition(topic, 2).minInsyncReplicas).toBe(2);
  // A process with the older view does not turn them back.
  const commands = commandsOf(process);
  await world.run(process.append([appendOf(topic, 0, "d")], { requireMinInsync: false }));
  expect(commands.map((one) => one.kind)).toEqual(["append"]);
  expect(process.partition(topic, 0).minInsyncReplicas).toBe(2);
});

test("a topic whose deletion this process has not seen is unknown after a look at the cluster journal", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const other = world.addTopic(topicOf(2));
  const process = world.process();
  await world.run(process.append([appendOf(other, 0, "x")]));
  // Another process deletes the topic before this one has ever opened it.
  const deleter = world.process();
  const journal = await world.run(deleter.journals.journal(0, NEVER));
  world.topics.delete(topic.topicId);
  world.addTopic({ ...other, clusterSeq: 30 });
  await world.run(
    journal.propose({ kind: "drop", topicId: topic.topicId, clusterSeq: 30 }, { lane: "a", signal: NEVER }),
  );
  const refreshes = process.directory.refreshCount;
  const answers = await world.run(process.append([appendOf(topic, 0, "a"), appendOf(other, 0, "b")]));
  expect([answers[0]]).toEqual(UNKNOWN);
  expect(answers[1]).toMatchObject({ kind: "appended", baseOffset: 1 });
  expect(process.directory.refreshCount).toBe(refreshes + 1);
  expect(textsOf(world, process, other, 0)).toEqual(["x", "b"]);
});

test("a flush of which nothing is left does not block its lane", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const other = world.addTopic(topicOf(2));
  const process = world.process();
  const deleter = world.process();
  const journal = await world.run(deleter.journals.journal(0, NEVER));
  world.topics.delete(topic.topicId);
  world.addTopic({ ...other, clusterSeq: 30 });
  const drop = { kind: "drop", topicId: topic.topicId, clusterSeq: 30 } as const;
  await world.run(journal.propose(drop, { lane: "a", signal: NEVER }));
  expect(await world.run(process.append([appendOf(topic, 0, "a")]))).toEqual(UNKNOWN);
  expect(await world.run(process.append([appendOf(other, 0, "b")]))).toMatchObject([{ kind: "appended" }]);
});

test("a view older than another topic's drop is brought up, and the topic opened", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process();
  const deleter = world.process();
  const journal = await world.run(deleter.journals.journal(0, NEVER));
  const drop = { kind: "drop", topicId: topicOf(9).topicId, clusterSeq: 30 } as const;
  await world.run(journal.propose(drop, { lane: "a", signal: NEVER }));
  world.addTopic({ ...topic, clusterSeq: 31 });
  expect(await world.run(process.append([appendOf(topic, 0, "a")]))).toMatchObject([{ kind: "appended" }]);
  expect(process.partition(topic, 0).openedSeq).toBe(31);
});

test("a topic dropped between the local fold and the commit is refused by the fold", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process();
  await world.run(process.append([appendOf(topic, 0, "a")]));
  const deleter = world.process();
  const journal = await world.run(deleter.journals.journal(0, NEVER));
  world.topics.delete(topic.topicId);
  const drop = { kind: "drop", topicId: topic.topicId, clusterSeq: 30 } as const;
  await world.run(journal.propose(drop, { lane: "a", signal: NEVER }));
  // The process still believes the partition open: only the commit tells.
  expect(process.partition(topic, 0).logEndOffset).toBe(1);
  expect(await world.run(process.append([appendOf(topic, 0, "b")]))).toEqual(UNKNOWN);
  expect(process.journals.opened(0)?.state.partitions.has(partitionKey(topic.topicId, 0))).toBe(false);
});

test("a partition beyond the topic's count is unknown", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1, { partitionCount: 2 }));
  const process = world.process();
  expect(await world.run(process.append([appendOf(topic, 8, "a")]))).toEqual(UNKNOWN);
});

test("a partition that the fold lost though its topic lives asks the client to come again", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process();
  await world.run(process.append([appendOf(topic, 0, "a")]));
  const other = world.process();
  const journal = await world.run(other.journals.journal(0, NEVER));
  const drop = { kind: "drop", topicId: topic.topicId, clusterSeq: 5 } as const;
  await world.run(journal.propose(drop, { lane: "a", signal: NEVER }));
  const [answer] = await world.run(process.append([appendOf(topic, 0, "b")]));
  expect(answer).toMatchObject({ kind: "refused", error: ErrorCode.NOT_LEADER_OR_FOLLOWER });
  expect(await world.run(process.append([appendOf(topic, 0, "c")]))).toMatchObject([{ kind: "appended" }]);
});

test("batches wait in order while their journal is being opened, and abort while they wait", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({
    journalFaults: { next: (call) => (call.method === "read" ? { kind: "slow", ms: 100 } : undefined) },
  });
  const gone = new AbortController();
  const answers = [process.append([appendOf(topic, 0, "a")])];
  await world.clock.advance(10);
  const aborted = process.append([appendOf(topic, 0, "gone")], { signal: gone.signal });
  answers.push(process.append([appendOf(topic, 0, "b")]));
  await world.clock.advance(10);
  gone.abort();
  expect(await aborted).toMatchObject([{ kind: "refused", error: ErrorCode.REQUEST_TIMED_OUT }]);
  await world.run(Promise.all(answers));
  expect(textsOf(world, process, topic, 0)).toEqual(["a", "b"]);
});

test("a journal that cannot be opened is a time-out, and is tried again by the next append", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  let isDown = true;
  const process = world.process({
    settings: { flushTimeoutMs: 3_000 },
    journalFaults: { next: () => (isDown ? { kind: "failure" } : undefined) },
  });
  const [answer] = await world.run(process.append([appendOf(topic, 0, "a")]));
  expect(answer).toMatchObject({ kind: "refused", error: ErrorCode.REQUEST_TIMED_OUT });
  isDown = false;
  expect(await world.run(process.append([appendOf(topic, 0, "b")]))).toMatchObject([{ kind: "appended" }]);
});
