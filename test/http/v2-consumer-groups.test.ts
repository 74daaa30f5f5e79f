import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import { encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { type Consumed, ConsumerWorld, RestConsumer, write } from "./consumer-world.ts";
import type { HttpWorld } from "./http-world.ts";

const NEVER = new AbortController().signal;

let world: ConsumerWorld;
let first: HttpWorld;

beforeAll(async () => {
  world = await ConsumerWorld.start(2, { brokerConfigs: { "group.initial.rebalance.delay.ms": "0" } });
  first = world.process(0);
});

afterAll(() => world[Symbol.asyncDispose]());

const consumer = (name: string, group: string) => new RestConsumer(world.processes, group, name);
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at);
const valuesOf = (records: readonly Consumed[]) => records.map(({ value }) => Number(value));
const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b);

async function topicOf(name: string, partitionCount: number): Promise<void> {
  await first.createTopic(name, partitionCount);
}

/** Values 0, 1, ... over all partitions, each in a batch of its own. */
async function fill(topic: string, count: number, partitionCount: number, from = 0): Promise<void> {
  for (const value of numbers(count, from)) {
    await write(world.process(value % 2), topic, [value], value % partitionCount);
  }
}

async function pollAll(consumers: readonly RestConsumer[], query = "timeout=50"): Promise<readonly Consumed[]> {
  return (await Promise.all(consumers.map((each) => each.poll(query)))).flat();
}

/** What an instance has after a poll. */
async function polledPartitions(one: RestConsumer): Promise<readonly number[]> {
  await one.poll("timeout=20");
  return one.partitions();
}

describe("polls at once", () => {
  test("never hand out the same record, whichever processes answer them", async () => {
    await topicOf("at-once", 3);
    await fill("at-once", 60, 3);
    const one = consumer("i", "at-once");
    await one.create();
    await one.subscribe("at-once");
    const found: Consumed[] = [];
    for (let round = 0; round < 30 && found.length < 60; round++) {
      const polls = Array.from({ length: 6 }, () => one.get("records?timeout=20&max_bytes=300"));
      for (const { status, body } of await Promise.all(polls)) {
        if (status === 200) found.push(...body);
        else expect([status, body.error_code]).toEqual([409, 40904]);
      }
    }
    expect(ascending(valuesOf(found))).toEqual(numbers(60));
  });

  test("commit nothing that another one is just delivering", async () => {
    await topicOf("just-delivering", 1);
    const one = consumer("i", "just-delivering");
    await one.create();
    await one.subscribe("just-delivering");
    await one.poll();
    const waiting = [one.poll("timeout=300"), one.poll("timeout=300")];
    await new Promise((resolve) => setTimeout(resolve, 60));
    await write(first, "just-delivering", [1]);
    const found = await Promise.all(waiting);
    expect(found.map((records) => records.length).toSorted()).toEqual([0, 1]);
    expect(await one.committed("just-delivering")).toBeUndefined();
  });
});

describe("instances of a group", () => {
  test("share its partitions, and each record goes to one of them while they come and go", async () => {
    await topicOf("shared", 4);
    await fill("shared", 20, 4);
    const [a, b] = [consumer("a", "shared"), consumer("b", "shared")];
    await a.create();
    await a.subscribe("shared");
    const found = [...(await a.drain(20))];
    await b.create();
    await b.subscribe("shared");
    for (let round = 0; round < 3; round++) found.push(...(await pollAll([a, b])));
    const [ofA, ofB] = [await a.partitions(), await b.partitions()];
    expect([ofA.length, ofB.length]).toEqual([2, 2]);
    expect(ascending([...ofA, ...ofB])).toEqual([0, 1, 2, 3]);
    await fill("shared", 20, 4, 20);
    for (let round = 0; round < 3; round++) found.push(...(await pollAll([a, b])));
    expect(ascending(valuesOf(found))).toEqual(numbers(40));
    await b.delete();
    await fill("shared", 8, 4, 40);
    for (let round = 0; round < 4; round++) found.push(...(await a.poll("timeout=50")));
    expect(await a.partitions()).toEqual([0, 1, 2, 3]);
    expect(ascending(valuesOf(found))).toEqual(numbers(48));
  });

  test("that commit nothing get again what was not committed", async () => {
    await topicOf("uncommitted", 2);
    await fill("uncommitted", 4, 2);
    const [a, b] = [consumer("a", "uncommitted"), consumer("b", "uncommitted")];
    for (const each of [a, b]) await each.create({ "auto.commit.enable": "false" });
    await a.subscribe("uncommitted");
    expect(ascending(valuesOf(await a.drain(4)))).toEqual([0, 1, 2, 3]);
    await b.subscribe("uncommitted");
    const again: Consumed[] = [];
    for (let round = 0; round < 4; round++) again.push(...(await pollAll([a, b])));
    const [ofB] = await b.partitions();
    expect(ascending(valuesOf(again))).toEqual(ofB === 0 ? [0, 2] : [1, 3]);
  });

  test("a poll that waits gives up partitions to who has come, and goes on with the rest", async () => {
    await topicOf("while-waiting", 2);
    const [a, b] = [consumer("a", "while-waiting"), consumer("b", "while-waiting")];
    await a.create();
    await a.subscribe("while-waiting");
    await a.poll();
    expect(await a.partitions()).toEqual([0, 1]);
    const waiting = a.poll("timeout=10000");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await b.create();
    await b.subscribe("while-waiting");
    await expect.poll(() => polledPartitions(b)).toHaveLength(1);
    const [ofA] = await a.partitions();
    await write(first, "while-waiting", ["x"], ofA ?? 0);
    expect((await waiting).map(({ value }) => value)).toEqual(["x"]);
  });
});

/** A Kafka consumer of KIP-848's protocol, by its heartbeats. */
class KafkaMember {
  readonly #process: HttpWorld;
  readonly #group: string;
  readonly #topic: string;
  memberEpoch = 0;
  owned: Assignment = new Map();

  constructor(process: HttpWorld, group: string, topic: string) {
    this.#process = process;
    this.#group = group;
    this.#topic = topic;
  }

  get partitions(): readonly number[] {
    return [...this.owned.values()].flat();
  }

  async beat(): Promise<void> {
    const isJoining = this.memberEpoch === 0;
    const answer = await this.#process.broker.broker.services.groups.consumers.heartbeat(
      {
        groupId: this.#group,
        memberId: "kafka-member",
        memberEpoch: this.memberEpoch,
        instanceId: undefined,
        rackId: undefined,
        clientId: "kafka",
        clientHost: "/127.0.0.1",
        rebalanceTimeoutMs: isJoining ? 60_000 : -1,
        subscribedTopicNames: isJoining ? [this.#topic] : undefined,
        subscribedTopicRegex: undefined,
        serverAssignor: undefined,
        owned: this.owned,
        makesOwnMemberId: true,
      },
      NEVER,
    );
    if (answer.kind === "refused") throw new Error(`a heartbeat is refused with ${answer.error}`);
    this.memberEpoch = answer.memberEpoch;
    this.owned = answer.assignment ?? this.owned;
  }
}

describe("a group that Kafka consumers are in", () => {
  test("shares its partitions with an instance, and its offsets", async () => {
    await topicOf("with-kafka", 4);
    await fill("with-kafka", 8, 4);
    const kafka = new KafkaMember(first, "with-kafka", "with-kafka");
    await kafka.beat();
    await kafka.beat();
    expect(kafka.partitions).toEqual([0, 1, 2, 3]);
    const one = consumer("i", "with-kafka");
    await one.create();
    await one.subscribe("with-kafka");
    for (let round = 0; round < 4; round++) {
      await kafka.beat();
      await one.poll("timeout=20");
    }
    const ofInstance = await one.partitions();
    expect([kafka.partitions.length, ofInstance.length]).toEqual([2, 2]);
    expect(ascending([...kafka.partitions, ...ofInstance])).toEqual([0, 1, 2, 3]);
    expect((await one.post("offsets")).status).toBe(200);
    for (const partition of ofInstance) expect(await one.committed("with-kafka", partition)).toBe(2);
    await one.delete();
    for (let round = 0; round < 3; round++) await kafka.beat();
    expect(kafka.partitions).toEqual([0, 1, 2, 3]);
  });

  test("of the classic protocol becomes a consumer group when an instance joins", async () => {
    await topicOf("with-classic", 2);
    const { groups } = first.broker.broker.services;
    const protocols = [{ name: "range", metadata: encodeSubscription({ topics: ["with-classic"] }) }];
    const joined = await groups.join(
      {
        groupId: "with-classic",
        memberId: "",
        groupInstanceId: undefined,
        clientId: "kafka",
        clientHost: "/127.0.0.1",
        sessionTimeoutMs: 30_000,
        rebalanceTimeoutMs: 60_000,
        protocolType: "consumer",
        protocols,
        knowsMemberIdRequired: false,
        canSkipAssignment: true,
      },
      NEVER,
    );
    const one = consumer("i", "with-classic");
    await one.create();
    await one.subscribe("with-classic");
    const described = await groups.admin.describeConsumers("with-classic", NEVER);
    expect(described).toMatchObject({
      members: [{ member: { memberId: joined.memberId } }, { member: { memberId: "i" } }],
    });
  });
});

describe("an instance whose process is gone", () => {
  test("goes on at another one, with its partitions and where it was", async () => {
    await topicOf("taken-over", 2);
    await fill("taken-over", 10, 2);
    const third = await world.startProcess();
    const one = new RestConsumer([third], "taken-over", "i");
    await one.create();
    await one.subscribe("taken-over");
    const before = await one.drain(10);
    await third[Symbol.asyncDispose]();
    one.processes = world.processes.slice(0, 2);
    expect(await one.partitions()).toEqual([0, 1]);
    await fill("taken-over", 4, 2, 10);
    const after = await one.drain(4);
    expect(ascending(valuesOf([...before, ...after]))).toEqual(numbers(14));
  });
});

describe("without a call", () => {
  test("for the time-out an instance is forgotten, and its partitions go to the others", async () => {
    await using short = await ConsumerWorld.start(2, { settings: { instanceTimeoutMs: 600 } });
    await short.process(0).createTopic("left", 2);
    const [a, b] = ["a", "b"].map((name) => new RestConsumer(short.processes, "left", name));
    if (a === undefined || b === undefined) throw new Error();
    for (const each of [a, b]) {
      await each.create();
      await each.subscribe("left");
    }
    for (let round = 0; round < 3; round++) await pollAll([a, b]);
    expect((await a.partitions()).length).toBe(1);
    const startMs = performance.now();
    // Polls that find nothing keep it alive.
    await expect.poll(() => polledPartitions(a), { timeout: 5_000 }).toEqual([0, 1]);
    expect(performance.now() - startMs).toBeGreaterThan(400);
    const { status, body } = await b.get("records");
    expect([status, body.error_code]).toEqual([404, 40403]);
  });
});
