import { describe, expect, test } from "vitest";
import type { LogCommand } from "#lib/log/log-command.ts";
import { LEADERS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { BrokerWorld, brokerAt, type RunningBroker } from "./broker-world.ts";
import { NEVER } from "./cluster-harness.ts";

const SESSION_MS = 9_000;
const HOUR_MS = 3_600_000;

/** Has `broker` write to a log journal, as its append path or its replicator would. */
async function tell(world: BrokerWorld, broker: RunningBroker, journalNumber: number, command: LogCommand) {
  const journal = await broker.process.logJournals.journal(journalNumber, NEVER);
  await world.cluster.run(journal.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, NEVER));
  return (await world.cluster.run(journal.propose(command, { lane: "test", signal: NEVER }))).outcome;
}

function place(world: BrokerWorld, broker: RunningBroker, journalNumber: number) {
  const replicas = [0, 1, 2].map((at) => (journalNumber + at) % 3);
  return tell(world, broker, journalNumber, { kind: "place-replicas", replicas });
}

describe("leaders", () => {
  test("are the preferred ones once all brokers are there, and stay without a command", async () => {
    const world = new BrokerWorld();
    await world.startAll();
    expect(await world.leaders()).toEqual([0, 1, 2]);
    const counts = [0, 1, 2].map((number) => world.logRecordCount(number));
    await world.pass(HOUR_MS);
    expect([0, 1, 2].map((number) => world.logRecordCount(number))).toEqual(counts);
  });

  test("move when a broker dies, and come back within ten seconds of its return", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    brokerAt(brokers, 1).kill();
    expect(await world.untilLed([0, 2, 2])).toBeLessThanOrEqual(SESSION_MS + 1_000);
    await world.start(1);
    expect(await world.untilLed([0, 1, 2])).toBeLessThanOrEqual(10_000);
  });

  test("move at once when a broker stops in order", async () => {
    const world = new BrokerWorld();
    await brokerAt(await world.startAll(), 0).stop();
    expect(await world.untilLed([1, 1, 2])).toBeLessThanOrEqual(1_000);
  });

  test("stay with a broker that is started again before anybody has missed it", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const epochs = await world.leaderEpochs();
    brokerAt(brokers, 1).kill();
    await world.pass(3_000);
    await world.start(1, { replacesDead: true });
    await world.pass(60_000);
    expect(await world.leaders()).toEqual([0, 1, 2]);
    expect(await world.leaderEpochs()).toEqual(epochs);
  });

  test("go all to the last broker, and nobody is elected when it has died too", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    brokerAt(brokers, 0).kill();
    brokerAt(brokers, 1).kill();
    await world.untilLed([2, 2, 2]);
    brokerAt(brokers, 2).kill();
    await world.pass(HOUR_MS);
    expect(await world.leaders()).toEqual([2, 2, 2]);
  });

  test("follow the stores in sync, wherever somebody changes them", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const leader = brokerAt(brokers, 1);
    await place(world, leader, 1);
    await tell(world, leader, 1, { kind: "alter-isr", expectedIsrEpoch: 0, isr: [2, 0] });
    expect(await world.untilLed([0, 2, 2])).toBeLessThanOrEqual(3_000);
    await tell(world, brokerAt(brokers, 2), 1, { kind: "alter-isr", expectedIsrEpoch: 1, isr: [1, 2, 0] });
    expect(await world.untilLed([0, 1, 2])).toBeLessThanOrEqual(10_000);
  });

  test("are left to others by a broker that cannot reach its own store, while somebody else is fit", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const cutOff = brokerAt(brokers, 1);
    await place(world, cutOff, 1);
    cutOff.trouble.suspectStores.add(1);
    await tell(world, cutOff, 1, { kind: "alter-isr", expectedIsrEpoch: 0, isr: [2, 0] });
    await world.untilLed([0, 2, 2]);
    // Whoever leads now reaches that store, and sees nothing wrong with it.
    await tell(world, brokerAt(brokers, 2), 1, { kind: "alter-isr", expectedIsrEpoch: 1, isr: [1, 2, 0] });
    await world.cluster.clock.advance(60_000);
    expect(await world.untilLed([0, 2, 2])).toBe(0);
    brokerAt(brokers, 2).kill();
    await world.untilLed([0, 1, 0]);
    cutOff.trouble.suspectStores.clear();
    expect(await world.untilLed([0, 1, 0])).toBe(0);
  });

  test("are given away by a broker that reaches no store at all, until it does again", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const cutOff = brokerAt(brokers, 1);
    for (const store of [0, 1, 2]) cutOff.trouble.suspectStores.add(store);
    expect(await world.untilLed([0, 2, 2])).toBeLessThanOrEqual(SESSION_MS + 1_000);
    const counts = [0, 1, 2].map((number) => world.logRecordCount(number));
    await world.pass(HOUR_MS);
    expect(await world.leaders()).toEqual([0, 2, 2]);
    expect([0, 1, 2].map((number) => world.logRecordCount(number))).toEqual(counts);
    cutOff.trouble.suspectStores.clear();
    expect(await world.untilLed([0, 1, 2])).toBeLessThanOrEqual(10_000);
  });

  test("go round slowly while no broker reaches any store", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    for (const { trouble } of brokers) for (const store of [0, 1, 2]) trouble.suspectStores.add(store);
    const before = world.logRecordCount(0);
    await world.pass(10 * SESSION_MS);
    expect(world.logRecordCount(0) - before).toBeLessThanOrEqual(11);
    for (const { trouble } of brokers) trouble.suspectStores.clear();
    expect(await world.untilLed([0, 1, 2])).toBeLessThanOrEqual(10_000);
  });

  test("stay where they are while they can, if leadership is not to go back", async () => {
    const world = new BrokerWorld();
    const startConfigs = { "auto.leader.rebalance.enable": "false" };
    const first = await world.start(0, { startConfigs });
    const second = await world.start(1, { startConfigs });
    await world.pass(60_000);
    expect(await world.leaders()).toEqual([0, 0, 0]);
    await first.stop();
    await world.untilLed([1, 1, 1]);
    await place(world, second, 1);
    await world.start(0, { startConfigs });
    await world.pass(60_000);
    expect(await world.leaders()).toEqual([1, 1, 1]);
    await tell(world, second, 1, { kind: "alter-isr", expectedIsrEpoch: 0, isr: [0, 2] });
    await world.untilLed([1, 0, 1]);
  });

  test("are not elected by an old view of the brokers, but by what the next look shows", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const old = await world.bystander(1);
    await world.pass(60_000);
    await electZero(world, brokerAt(brokers, 0), 1);
    const journal = await old.process.logJournals.journal(1, NEVER);
    await world.cluster.run(journal.catchUp(NEVER));
    const before = world.logRecordCount(1);
    const seen = old.process.journal.seq;
    await world.cluster.run(old.elector.elect(NEVER));
    expect([world.logRecordCount(1) - before, journal.state.leader.brokerId]).toEqual([1, 0]);
    expect(old.process.journal.seq).toBeGreaterThan(seen);
    // At once it does not try again.
    await world.cluster.run(old.elector.elect(NEVER));
    expect(world.logRecordCount(1) - before).toBe(1);
  });

  test("that brokers do not agree on change hands now and then, not as fast as they can", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    const before = world.logRecordCount(1);
    for (let round = 0; round < 20; round++) {
      await electZero(world, brokerAt(brokers, 0), 1);
      await world.pass(100);
    }
    await world.untilLed([0, 1, 2]);
    // Twenty elections of the one, and of the other one for each of its looks.
    expect(world.logRecordCount(1) - before).toBeLessThanOrEqual(20 + 5);
  });
});

/** Somebody who sees things in another way gives a journal to broker 0. */
async function electZero(world: BrokerWorld, zero: RunningBroker, journalNumber: number): Promise<void> {
  const { logJournals, journal: clusterJournal } = zero.process;
  const journal = await logJournals.journal(journalNumber, NEVER);
  await world.cluster.run(journal.readBarrier(NEVER));
  const brokerEpoch = defined(zero.membership.brokerEpoch);
  const view = { expectedEpoch: journal.state.leader.epoch, clusterSeq: clusterJournal.seq };
  await tell(world, zero, journalNumber, { kind: "elect", brokerId: 0, brokerEpoch, ...view });
}

describe("an election on demand", () => {
  const all = [0, 1, 2];
  const elect = async (world: BrokerWorld, broker: Pick<RunningBroker, "elector">) =>
    Object.fromEntries(await world.cluster.run(broker.elector.electNow(all, NEVER)));

  test("gives journals back to their preferred leaders, and says where that is not needed", async () => {
    const world = new BrokerWorld();
    const startConfigs = { "auto.leader.rebalance.enable": "false" };
    const first = await world.start(0, { startConfigs });
    const second = await world.start(1, { startConfigs });
    await world.pass(5_000);
    expect(await elect(world, first)).toEqual({
      0: ErrorCode.ELECTION_NOT_NEEDED,
      1: ErrorCode.NONE,
      2: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
    });
    expect(await world.leaders()).toEqual([0, 1, 0]);
    expect(await elect(world, second)).toMatchObject({ 1: ErrorCode.ELECTION_NOT_NEEDED });
  });

  test("finds nobody where no broker runs", async () => {
    const world = new BrokerWorld();
    const eligible = ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE;
    expect(await elect(world, await world.bystander(0))).toEqual({ 0: eligible, 1: eligible, 2: eligible });
  });
});

describe("without brokers", () => {
  test("nobody leads: the epoch rises once", async () => {
    const world = new BrokerWorld();
    const brokers = await world.startAll();
    for (const broker of brokers) await broker.stop();
    const { elector, process } = await world.bystander(9);
    const epochs = await world.leaderEpochs();
    for (let round = 0; round < 3; round++) {
      await world.cluster.run(process.view.refresh(NEVER));
      await world.cluster.run(elector.electNobody(NEVER));
      await world.pass(60_000);
    }
    expect(await world.leaders()).toEqual([-1, -1, -1]);
    expect(await world.leaderEpochs()).toEqual(epochs.map((epoch) => epoch + 1));
  });

  test("a leader that runs is let be, and journals that never had one too", async () => {
    const world = new BrokerWorld();
    const { elector, process } = await world.bystander(9);
    await world.cluster.run(elector.electNobody(NEVER));
    expect(await world.leaderEpochs()).toEqual([0, 0, 0]);
    await world.start(0);
    await world.cluster.run(process.view.refresh(NEVER));
    await world.cluster.run(elector.electNobody(NEVER));
    expect(await world.leaders()).toEqual([0, 0, 0]);
  });
});
