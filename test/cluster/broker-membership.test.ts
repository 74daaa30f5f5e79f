import { describe, expect, test } from "vitest";
import { BrokerIdInUseError } from "#lib/cluster/broker-registration.ts";
import { defined } from "#lib/util/assert.ts";
import { BrokerWorld, brokerAt } from "./broker-world.ts";
import { NEVER } from "./cluster-harness.ts";

const SESSION_MS = 9_000;
const HEARTBEAT_MS = 2_000;
const HOUR_MS = 3_600_000;

describe("a broker", () => {
  test("that is alone writes nothing once it is registered and leads", async () => {
    const world = new BrokerWorld();
    await world.start(0);
    expect(await world.statuses()).toEqual(["0 running"]);
    expect(await world.leaders()).toEqual([0, 0, 0]);
    const counts = () => [world.clusterRecordCount(), ...[0, 1, 2].map((number) => world.logRecordCount(number))];
    const before = counts();
    await world.pass(HOUR_MS);
    expect(counts()).toEqual(before);
  });

  test("gives signs of life while others run", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll(2);
    const before = world.clusterRecordCount();
    await world.pass(10 * HEARTBEAT_MS);
    expect(world.clusterRecordCount() - before).toBe(20);
    await brokerAt(brokers, 1).stop();
    const after = world.clusterRecordCount();
    await world.pass(HOUR_MS);
    // The look at which it still took the other one for running.
    expect(world.clusterRecordCount() - after).toBeLessThanOrEqual(1);
    expect(await world.statuses()).toEqual(["0 running", "1 stopped"]);
  });

  test("that dies is fenced when its session is over, and not before", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    await world.pass(HOUR_MS);
    brokerAt(brokers, 1).kill();
    await world.pass(SESSION_MS - HEARTBEAT_MS - 100);
    expect(await world.statuses()).toEqual(["0 running", "1 running", "2 running"]);
    await world.pass(HEARTBEAT_MS + 1_000);
    expect(await world.statuses()).toEqual(["0 running", "1 fenced", "2 running"]);
    await world.pass(HOUR_MS);
    expect(await world.statuses()).toEqual(["0 running", "1 fenced", "2 running"]);
  });

  test("that only stood still is fenced meanwhile and runs again", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const { trouble } = brokerAt(brokers, 2);
    trouble.fault = { kind: "freeze", ms: 60_000 };
    await world.pass(HEARTBEAT_MS);
    trouble.fault = undefined;
    await world.pass(30_000);
    expect(await world.statuses()).toEqual(["0 running", "1 running", "2 fenced"]);
    expect(await world.leaders()).not.toContain(2);
    await world.pass(40_000);
    expect(await world.statuses()).toEqual(["0 running", "1 running", "2 running"]);
    expect(await world.leaders()).toEqual([0, 1, 2]);
  });

  test("that was fenced runs again though nobody is left to miss it", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll(2);
    const { trouble } = brokerAt(brokers, 1);
    trouble.fault = { kind: "failure" };
    await world.pass(SESSION_MS + HEARTBEAT_MS);
    await brokerAt(brokers, 0).stop();
    trouble.fault = undefined;
    expect(await world.statuses()).toEqual(["0 stopped", "1 fenced"]);
    await world.pass(SESSION_MS);
    expect(await world.statuses()).toEqual(["0 stopped", "1 running"]);
    expect(await world.leaders()).toEqual([1, 1, 1]);
  });

  test("that cannot reach the journal is fenced, and fences nobody when it can", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const { trouble } = brokerAt(brokers, 0);
    trouble.fault = { kind: "failure" };
    await world.pass(60_000);
    expect(await world.statuses()).toEqual(["0 fenced", "1 running", "2 running"]);
    trouble.fault = undefined;
    await world.pass(10_000);
    expect(await world.statuses()).toEqual(["0 running", "1 running", "2 running"]);
    expect(await world.leaders()).toEqual([0, 1, 2]);
  });

  test.each([3_000, 5_000, 10_000, 60_000, 600_000])(
    "is not fenced for a journal that is away for %i ms",
    async (ms) => {
      const world = new BrokerWorld();
      const brokers = await world.startAll();
      const epochs = await world.leaderEpochs();
      for (const { trouble } of brokers) trouble.fault = { kind: "failure" };
      await world.pass(ms);
      for (const { trouble } of brokers) trouble.fault = undefined;
      await world.pass(120_000);
      expect(await world.statuses()).toEqual(["0 running", "1 running", "2 running"]);
      expect(await world.leaderEpochs()).toEqual(epochs);
    },
  );

  test("gives three signs of life a session at least, whatever the interval says", async () => {
    const world = new BrokerWorld();
    const startConfigs = { "broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "60000" };
    for (const brokerId of [0, 1]) await world.start(brokerId, { startConfigs });
    await world.pass(HOUR_MS);
    expect(await world.statuses()).toEqual(["0 running", "1 running"]);
  });
});

describe("a broker that somebody knows to be dead", () => {
  test("is fenced at once, and what it led is led by others", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    brokerAt(brokers, 1).kill();
    const { membership } = brokerAt(brokers, 0);
    await world.cluster.run(membership.fenceDead(1, NEVER));
    expect(await world.statuses()).toEqual(["0 running", "1 fenced", "2 running"]);
    expect(await world.untilLed([0, 2, 2])).toBeLessThanOrEqual(600);
  });

  test("is fenced though something that it had sent arrives late", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    // What broker 0 has folded is older than the last heartbeats.
    await world.pass(2_100);
    const { membership, process } = brokerAt(brokers, 1);
    const heartbeat = { kind: "broker-heartbeat", brokerId: 1, brokerEpoch: defined(membership.brokerEpoch) } as const;
    await world.cluster.run(process.journal.propose(heartbeat, { lane: "test", signal: NEVER }));
    brokerAt(brokers, 1).kill();
    await world.cluster.run(brokerAt(brokers, 0).membership.fenceDead(1, NEVER));
    expect(await world.statuses()).toContain("1 fenced");
  });

  test("is let be if it has been started again, or if nobody knows it", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll(2);
    const { membership, trouble } = brokerAt(brokers, 0);
    brokerAt(brokers, 1).kill();
    trouble.fault = { kind: "failure" };
    await world.start(1, { replacesDead: true });
    trouble.fault = undefined;
    await world.cluster.run(Promise.all([1, 7].map((brokerId) => membership.fenceDead(brokerId, NEVER))));
    expect(await world.statuses()).toEqual(["0 running", "1 running"]);
  });
});

test("a broker that is proven dead is fenced when it misses a heartbeat; whoever lives is not asked for", async () => {
  const world = new BrokerWorld();
  const dead = new Set<number>();
  const asked = new Set<number>();
  const isProvenDead = (brokerId: number) => {
    asked.add(brokerId);
    return dead.has(brokerId);
  };
  const brokers = [await world.start(0, { isProvenDead }), await world.start(1), await world.start(2)] as const;
  await world.pass(HOUR_MS);
  expect([...asked]).toEqual([]);
  brokers[1].kill();
  dead.add(1);
  expect(await world.untilLed([0, 2, 2])).toBeLessThanOrEqual(2 * HEARTBEAT_MS);
  expect([...asked]).toEqual([1]);
  // One of which nothing is proven has its session.
  brokers[2].kill();
  expect(await world.untilLed([0, 0, 0])).toBeGreaterThanOrEqual(SESSION_MS - HEARTBEAT_MS);
});

describe("a second process under the id of a broker", () => {
  test("that lives, and is alone, is told so within seconds; the first goes on", async () => {
    const world = new BrokerWorld();
    const first = await world.start(0);
    await world.pass(HOUR_MS);
    const second = await world.prepare(0);
    await world.pass(2 * HEARTBEAT_MS);
    const error = await second.ended;
    expect(error).toBeInstanceOf(BrokerIdInUseError);
    expect(error).toMatchObject({ message: expect.stringMatching(/broker id 0 .*another process at 127.0.0.1:9000/) });
    expect(second.membership.brokerEpoch).toBeUndefined();
    await world.pass(HOUR_MS);
    const { view } = first.process;
    expect(view.runningBroker(0)?.brokerEpoch).toBe(first.membership.brokerEpoch);
  });

  test("that has died takes its place when a session is over", async () => {
    const world = new BrokerWorld();
    const first = await world.start(0);
    first.kill();
    const second = await world.prepare(0);
    await world.pass(SESSION_MS - 500);
    expect(second.membership.brokerEpoch).toBeUndefined();
    await world.pass(1_000);
    expect(second.membership.brokerEpoch).toBeGreaterThan(first.membership.brokerEpoch ?? 0);
  });

  test("that has stopped in order takes its place at once", async () => {
    const world = new BrokerWorld();
    await (await world.start(0)).stop();
    expect((await world.start(0)).membership.brokerEpoch).toBeDefined();
  });

  test("waits anew where it could not look for a while", async () => {
    const world = new BrokerWorld();
    (await world.start(0)).kill();
    const second = await world.prepare(0);
    await world.pass(5_000);
    second.trouble.fault = { kind: "failure" };
    await world.pass(10_000);
    second.trouble.fault = undefined;
    await world.pass(5_000);
    expect(second.membership.brokerEpoch).toBeUndefined();
    await world.pass(10_000);
    expect(second.membership.brokerEpoch).toBeDefined();
  });

  test("takes its place at once where a lock proves it dead, though one of its heartbeats still arrives", async () => {
    const world = new BrokerWorld();
    const [first] = await world.startAll(2);
    const second = await world.prepare(0, { replacesDead: true });
    await world.pass(500);
    expect(second.membership.brokerEpoch).toBeDefined();
    // It lives all the same: somebody has removed the lock.
    await world.pass(HEARTBEAT_MS);
    expect(await first?.ended).toBeInstanceOf(BrokerIdInUseError);
    expect(await world.statuses()).toEqual(["0 running", "1 running"]);
  });

  test("keeps trying while the journal is away", async () => {
    const world = new BrokerWorld();
    const broker = await world.prepare(0);
    broker.trouble.fault = { kind: "failure" };
    await world.pass(300_000);
    broker.trouble.fault = undefined;
    await world.pass(60_000);
    expect(await world.statuses()).toEqual(["0 running"]);
  });
});

test("a registration whose answers are lost is one registration", async () => {
  const world = new BrokerWorld();
  const broker = await world.prepare(0);
  broker.trouble.fault = { kind: "lost-answer" };
  await world.pass(60_000);
  broker.trouble.fault = undefined;
  await world.pass(60_000);
  expect(await world.statuses()).toEqual(["0 running"]);
  expect(broker.process.view.runningBroker(0)?.brokerEpoch).toBe(broker.membership.brokerEpoch);
});
