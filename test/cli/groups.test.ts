import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command } from "commander";
import { type Consumer, Kafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { TestBroker } from "#lib/testing.ts";
import { defined } from "#lib/util/assert.ts";
import { run as runProgram } from "../../bin/cli/run.ts";
import { groupsCommand } from "../../bin/groups-command.ts";
import { type Ran, timeFor } from "./support.ts";

const DAY_SECONDS = 86_400;
const HOUR_MS = 3_600_000;

let broker: TestBroker;
let connection: KafkaConnection;
let kafka: Kafka;

beforeAll(async () => {
  broker = await TestBroker.start({ configs: { "group.initial.rebalance.delay.ms": 0 } });
  connection = await KafkaConnection.open({ host: "127.0.0.1", port: broker.port, clientId: "modern" });
  await connection.negotiate();
  kafka = new Kafka({ clientId: "reader", brokers: [broker.bootstrapServers], logLevel: logLevel.NOTHING });
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** Runs `millrace ARGS` in this process: one after the other, for all write to the same stdout. */
async function run(args: readonly string[], bootstrapServer = broker.bootstrapServers): Promise<Ran> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  vi.stubEnv("MILLRACE_BOOTSTRAP_SERVER", bootstrapServer);
  try {
    const status = await runProgram(new Command("millrace").addCommand(groupsCommand()), args);
    return { status, ...written };
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
}

async function runAll(...all: readonly (readonly string[])[]): Promise<readonly Ran[]> {
  const ran: Ran[] = [];
  for (const args of all) ran.push(await run(args));
  return ran;
}

/** A topic of two partitions; the first has six records, an hour apart, the newest of now. */
async function createTopic(topic: string, configs: Readonly<Record<string, string>> = {}): Promise<readonly number[]> {
  const admin = kafka.admin();
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries }] });
  await admin.disconnect();
  const now = Date.now();
  const times = [5, 4, 3, 2, 1, 0].map((hours) => now - hours * HOUR_MS);
  const producer = kafka.producer();
  await producer.connect();
  const messages = times.map((time, n) => ({ value: `v${n}`, partition: 0, timestamp: String(time) }));
  await producer.send({ topic, messages });
  await producer.disconnect();
  return times;
}

/** Commits from outside of a group, which makes it. */
async function commit(groupId: string, name: string, committedOffset: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: "" }];
  await connection.send(Apis.OFFSET_COMMIT, 8, { groupId, topics: [{ name, partitions }] });
}

/** A member of a classic group, when it has its partitions. */
async function join(groupId: string, topic: string): Promise<Consumer> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topic });
  const joined = new Promise<void>((resolve) => {
    consumer.on(consumer.events.GROUP_JOIN, () => resolve());
  });
  await consumer.run({ autoCommit: false, eachMessage: async () => {} });
  await joined;
  return consumer;
}

async function described(...args: readonly string[]) {
  const { stdout } = await run(["groups", "describe", "--json", ...args]);
  const groups: readonly { group: string; partitions: readonly Record<string, unknown>[] }[] = JSON.parse(stdout);
  return groups;
}

async function committed(group: string): Promise<readonly unknown[]> {
  const [one] = await described(group);
  return defined(one).partitions.map((each) => each["committedOffset"]);
}

test("lag is told in records and in seconds, with what retention leaves of it", timeFor(4), async () => {
  await createTopic("lagging", { "retention.ms": String(DAY_SECONDS * 1000) });
  await createTopic("kept", { "retention.ms": "-1" });
  await commit("behind", "lagging", 3);
  await commit("behind", "kept", 1);
  await commit("done", "lagging", 6);
  const [behind, done] = await described("behind", "done");
  expect(behind).toMatchObject({ group: "behind", type: "classic", state: "Empty", members: [] });
  const [kept, lagging] = defined(behind).partitions;
  expect(kept).toMatchObject({ topic: "kept", lagRecords: 5, retentionSecondsLeft: null });
  expect(kept?.["lagSeconds"]).toBeGreaterThanOrEqual(4 * 3600);
  expect(kept?.["lagSeconds"]).toBeLessThan(4 * 3600 + 60);
  expect(lagging).toMatchObject({ committedOffset: 3, logEndOffset: 6, lagRecords: 3, owner: null });
  expect(lagging?.["lagSeconds"]).toBeGreaterThanOrEqual(2 * 3600);
  expect(lagging?.["lagSeconds"]).toBeLessThan(2 * 3600 + 60);
  expect(lagging?.["retentionSecondsLeft"]).toBeLessThanOrEqual(22 * 3600);
  expect(lagging?.["retentionSecondsLeft"]).toBeGreaterThan(22 * 3600 - 60);
  expect(done?.partitions).toMatchObject([{ lagRecords: 0, lagSeconds: 0, retentionSecondsLeft: null }]);
  const { stdout } = await run(["groups", "describe", "behind", "done"]);
  expect(stdout).toMatch(/^behind {2}type=classic {2}state=Empty/);
  expect(stdout).toMatch(/lagging +0 +3 +6 +3 +72\d\d(\.\d)? +21h5\dm +- +- +-\n/);
  expect(stdout).toMatch(/lagging +0 +6 +6 +0 +0 +- +- +- +-\n/);
});

test("records that were deleted before a group read them are told", async () => {
  await createTopic("shrunk");
  await commit("slow", "shrunk", 1);
  const partitions = [{ partitionIndex: 0, offset: 4 }];
  const request = { topics: [{ name: "shrunk", partitions }], timeoutMs: 5_000 };
  await connection.send(Apis.DELETE_RECORDS, 2, request);
  const { stdout } = await run(["groups", "describe", "slow"]);
  expect(stdout).toContain("note: shrunk-0 begins at 4: what was before it is gone unread\n");
  expect(stdout).toMatch(/shrunk +0 +1 +6 +5 +36\d\d/);
});

test(
  "members of both protocols are shown with their partitions, and stand in the way of changes",
  timeFor(4),
  async () => {
    await createTopic("read");
    const consumer = await join("classic-readers", "read");
    const heartbeat = {
      memberEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      topicPartitions: [],
      subscribedTopicNames: ["read"],
    };
    const member = { groupId: "modern-readers", memberId: "m-1", instanceId: "i-1" };
    await connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { ...member, ...heartbeat });
    try {
      const both = await described("classic-readers", "modern-readers");
      const members = await run(["groups", "describe", "--members", "modern-readers"]);
      const reset = await run(["groups", "reset-offsets", "classic-readers", "--topic", "read", "--to-earliest"]);
      const removed = await run(["groups", "delete", "modern-readers"]);
      const listed = await run(["groups", "list", "--state", "STABLE", "--type", "consumer", "--json"]);
      expect(both).toMatchObject([
        { type: "classic", state: "Stable", assignor: "RoundRobinAssigner", members: [{ clientId: "reader" }] },
        { type: "consumer", state: "Stable", assignor: "uniform", members: [{ memberId: "m-1", instanceId: "i-1" }] },
      ]);
      const owned = { committedOffset: null, lagRecords: null, lagSeconds: null };
      expect(both[0]?.partitions).toMatchObject([
        { partition: 0, ...owned, owner: { clientId: "reader", host: "127.0.0.1" } },
        { partition: 1, ...owned, owner: { clientId: "reader" } },
      ]);
      expect(both[1]?.partitions).toMatchObject([{ owner: { memberId: "m-1", clientId: "modern" } }, {}]);
      expect(members.stdout).toMatch(/m-1 +i-1 +127\.0\.0\.1 +modern +2 +read:0,1\n/);
      expect(reset).toMatchObject({ status: 1, stdout: "" });
      expect(reset.stderr).toMatch(/NON_EMPTY_GROUP: .*Stable with 1 member: reader at 127\.0\.0\.1 .*Stop them first/);
      expect(removed).toMatchObject({ status: 1, stdout: "" });
      expect(removed.stderr).toMatch(/NON_EMPTY_GROUP: .*modern at 127\.0\.0\.1 \(m-1\)\. Stop them first/);
      expect(JSON.parse(listed.stdout)).toEqual([
        { group: "modern-readers", type: "consumer", state: "Stable", protocol: "consumer" },
      ]);
    } finally {
      await consumer.disconnect();
    }
    await connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { ...member, memberEpoch: -1 });
    const deleted = await run(["groups", "delete", "classic-readers", "modern-readers"]);
    expect(deleted).toMatchObject({ status: 0, stdout: "deleted classic-readers\ndeleted modern-readers\n" });
  },
);

test("a reset shows what it would change, and changes it only when told to", timeFor(4), async () => {
  const times = await createTopic("moved");
  await commit("movers", "moved", 4);
  const reset = (...args: readonly string[]) => ["groups", "reset-offsets", "movers", "--json", ...args];
  const dry = await run(["groups", "reset-offsets", "movers", "--all-topics", "--to-earliest"]);
  expect(dry).toMatchObject({ status: 0, stdout: expect.stringMatching(/moved +0 +4 +0\n/) });
  expect(dry.stderr).toContain("dry run: nothing was changed");
  expect(await committed("movers")).toEqual([4]);

  const plans = await runAll(
    reset("--all-topics", "--to-latest"),
    reset("--all-topics", "--to-datetime", new Date(defined(times[2])).toISOString()),
    reset("--all-topics", "--to-datetime", "2999-01-01"),
    reset("--all-topics", "--shift-by", "-3"),
    reset("--topic", "moved:0", "--shift-by", "99"),
    reset("--topic", "moved", "--to-offset", "5"),
  );
  const changes = plans.map(({ stdout }) => {
    const { executed, offsets } = JSON.parse(stdout);
    expect(executed).toBe(false);
    return offsets.map(({ from, to, note }: Record<string, unknown>) => [from, to, note]);
  });
  expect(changes).toEqual([
    [[4, 6, ""]],
    [[4, 2, ""]],
    [[4, 6, "no record is as young: the log's end"]],
    [[4, 1, ""]],
    [[4, 6, "103 is not in the log: its end"]],
    [
      [4, 5, ""],
      [null, 0, "5 is not in the log: its end"],
    ],
  ]);
  expect(await committed("movers")).toEqual([4]);
  expect(await run(reset("--topic", "moved", "--to-offset", "5", "--execute"))).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(await committed("movers")).toEqual([5, 0]);
});

test("a reset makes a group only when told to", async () => {
  await createTopic("fresh");
  const args = ["groups", "reset-offsets", "newcomers", "--topic", "fresh", "--to-latest", "--execute"];
  const refused = await run(args);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/GROUP_ID_NOT_FOUND: group newcomers: .*\nSee .*millrace groups list/);
  expect(await run([...args, "--create"])).toMatchObject({ status: 0, stderr: "" });
  expect(await committed("newcomers")).toEqual([6, 0]);
});

test("groups are listed by state and type, and deleted with what they have committed", async () => {
  await createTopic("listed");
  await commit("l-1", "listed", 1);
  await commit("l-2", "listed", 1);
  const all = await run(["groups", "list", "--state", "empty", "--type", "classic"]);
  const stable = await run(["groups", "list", "--state", "Stable"]);
  const consumers = await run(["groups", "list", "--type", "consumer"]);
  expect(all.stdout).toMatch(/^group +type +state +protocol\n/);
  expect(all.stdout).toMatch(/l-1 +classic +Empty +-\n/);
  for (const { status, stdout } of [stable, consumers]) expect([status, stdout.includes("l-1")]).toEqual([0, false]);
  const deleted = await run(["groups", "delete", "l-1", "nope", "l-2"]);
  expect(deleted).toMatchObject({ status: 1, stdout: "deleted l-1\ndeleted l-2\n" });
  expect(deleted.stderr).toMatch(/GROUP_ID_NOT_FOUND: group nope: .*\nerror: 1 of 3 groups were not deleted/);
  expect((await run(["groups", "list"])).stdout).not.toContain("l-1");
  const missing = await run(["groups", "delete", "l-1", "--if-exists"]);
  expect(missing).toMatchObject({ status: 0, stdout: "missing l-1\n" });
});

test("what is not there is told by Kafka's name, and the rest is shown nevertheless", timeFor(4), async () => {
  await createTopic("there");
  await commit("known", "there", 2);
  const unknown = await run(["groups", "describe", "nobody"]);
  const some = await run(["groups", "describe", "nobody", "known", "--json"]);
  const topic = await run(["groups", "reset-offsets", "known", "--topic", "nowhere", "--to-latest"]);
  const partition = await run(["groups", "reset-offsets", "known", "--topic", "there:7", "--to-latest"]);
  const shift = await run(["groups", "reset-offsets", "known", "--topic", "there", "--shift-by", "1"]);
  expect(unknown).toMatchObject({ status: 1, stdout: "" });
  expect(unknown.stderr).toContain("GROUP_ID_NOT_FOUND: group nobody");
  expect(some.status).toBe(1);
  expect(JSON.parse(some.stdout)).toMatchObject([{ group: "known" }]);
  expect(some.stderr).toContain("1 of 2 groups were not described");
  expect([topic.status, topic.stderr]).toEqual([
    1,
    expect.stringContaining("UNKNOWN_TOPIC_OR_PARTITION: topic nowhere"),
  ]);
  expect([partition.status, partition.stderr]).toEqual([1, expect.stringContaining("There is no partition 7")]);
  expect([shift.status, shift.stderr]).toEqual([1, expect.stringContaining("nothing is committed for there-1")]);
});

test("what cannot be meant is refused with status 2 before anything is sent", async () => {
  const reset = ["groups", "reset-offsets", "g"];
  const wrong = [
    ["groups", "describe"],
    ["groups", "describe", ""],
    ["groups", "delete", "g", ""],
    ["groups", "list", "--state", "asleep"],
    ["groups", "list", "--type", "modern"],
    ["groups", "reset-offsets", "", "--all-topics", "--to-latest"],
    [...reset, "--to-latest"],
    [...reset, "--all-topics", "--topic", "t", "--to-latest"],
    [...reset, "--all-topics"],
    [...reset, "--all-topics", "--to-latest", "--to-earliest"],
    [...reset, "--all-topics", "--to-datetime", "yesterday"],
    [...reset, "--all-topics", "--to-offset", "-1"],
    [...reset, "--topic", "t:x", "--to-latest"],
  ];
  for (const args of wrong) {
    const { status, stderr } = await run(args, "127.0.0.1:1");
    expect([status, stderr], args.join(" ")).toEqual([2, expect.stringContaining("error:")]);
  }
});

test("the program has the command, and its help names what it can do", timeFor(1), async () => {
  const main = fileURLToPath(new URL("../../bin/millrace.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [main, "groups", "--help"]);
  for (const name of ["list", "describe", "reset-offsets", "delete"]) expect(stdout).toContain(`\n  ${name} `);
});

test("no broker is an error that says what to do", timeFor(4), async () => {
  for (const args of [
    ["list"],
    ["describe", "g"],
    ["delete", "g"],
    ["reset-offsets", "g", "--all-topics", "--to-latest"],
  ]) {
    const { status, stderr } = await run(["groups", ...args], "127.0.0.1:1");
    expect([status, stderr], args.join(" ")).toEqual([1, expect.stringContaining("npm start")]);
  }
});
