import { deepEqual, equal, match, ok } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { FAST_START, javaArguments } from "../support/java.ts";
import { SHORT_SESSION_MS } from "../support/short-sessions.ts";
import type { Facts } from "../support/suite.ts";
import { eventually, newTopic } from "../support/topics.ts";
import { GROUP_COMMAND, offsetsOf } from "./groups.ts";
import { type GroupProtocol, type Kit, TOOLS, tool, toolOutput } from "./tools.ts";

// Several members of one group, each a JVM of its own (VerifiableConsumer), what ConsumerGroupCommand says of a group
// with members, and ConsumerPerformance as a group of one.

const PARTITIONS = 4;
/** A round of assignments with JVMs that start meanwhile; a killed member is noticed only after its session. */
const ROUND_MS = 60_000;

/** Without keys the producer may send so few records to one partition alone. */
const KEYS = ["--repeating-keys", "50"];

export async function checkMembers(facts: Facts, kit: Kit): Promise<void> {
  for (const protocol of kit.protocols) {
    await checkTwoMembers(facts, kit, protocol);
    await checkPerformance(facts, kit, protocol);
  }
}

async function checkTwoMembers(facts: Facts, kit: Kit, protocol: GroupProtocol): Promise<void> {
  const topic = await newTopic(kit.broker, `java-members-${protocol}`, { partitions: PARTITIONS });
  await using first = await Member.start(kit, topic, protocol);
  await using second = await Member.start(kit, topic, protocol);
  const read = (): number => new Set([...first.seen, ...second.seen]).size;
  await facts.check(
    `${protocol}: two VerifiableConsumers share the partitions, and no record comes to both`,
    async () => {
      const isShared = async (): Promise<boolean> =>
        [first, second].every(({ owned }) => owned.size === PARTITIONS / 2);
      await eventually("two partitions each", isShared, ROUND_MS);
      await produce(kit, topic, 200);
      await eventually("both have read all of it", async () => read() === 200, ROUND_MS);
      ok(second.seen.size > 0, "the second member has read nothing");
      equal(first.seen.size + second.seen.size, 200, "a record came to both");
    },
  );
  await facts.check(`${protocol}: ConsumerGroupCommand shows who is in a group and what each has`, async () => {
    const describe = ["--describe", "--group", topic];
    match(await toolOutput(kit, GROUP_COMMAND, ...describe, "--state"), new RegExp(`^${topic} .* Stable +2\\s*$`, "m"));
    const member = new RegExp(`^${topic} +\\S+ +/127\\.0\\.0\\.1 +\\S+ +2\\b`);
    const rowsOf = (output: string): number => output.split("\n").filter((line) => member.test(line)).length;
    equal(rowsOf(await toolOutput(kit, GROUP_COMMAND, ...describe, "--members")), 2);
    const verbose = await toolOutput(kit, GROUP_COMMAND, ...describe, "--members", "--verbose");
    equal(rowsOf(verbose), 2);
    for (const { owned } of [first, second]) match(verbose, assignmentOf(topic, [...owned].toSorted()));
  });
  await facts.check(`${protocol}: ConsumerGroupCommand changes nothing under living members`, async () => {
    const group = ["--group", topic];
    const said = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await tool(kit, GROUP_COMMAND, ...group, ...args);
      return stdout + stderr;
    };
    match(
      await said("--reset-offsets", "--to-earliest", "--topic", topic, "--execute"),
      /can only be reset if the group .* is inactive, but the current state is Stable/,
    );
    match(await said("--delete"), /GroupNotEmptyException/);
    match(await said("--delete-offsets", "--topic", topic), /actively subscribed/);
  });
  await facts.check(`${protocol}: who is left takes over from a VerifiableConsumer that was killed`, async () => {
    await second[Symbol.asyncDispose]();
    await produce(kit, topic, 100);
    await eventually("one has all", async () => first.owned.size === PARTITIONS && read() === 300, ROUND_MS);
  });
}

/** `topic:0,1`, and before 4.0 `(0,1)`. */
function assignmentOf(topic: string, partitions: readonly number[]): RegExp {
  const list = partitions.join(",");
  return new RegExp(`\\b${topic}:${list}\\b|\\(${list}\\)`);
}

async function checkPerformance(facts: Facts, kit: Kit, protocol: GroupProtocol): Promise<void> {
  const group = `java-performance-${protocol}`;
  await facts.check(`${protocol}: ConsumerPerformance reads everything as a group, and commits it`, async () => {
    const topic = await newTopic(kit.broker, group, { partitions: 2 });
    await produce(kit, topic, 5_000);
    const file = join(kit.broker.directory, `${group}.properties`);
    writeFileSync(file, `group.protocol=${protocol}\n`);
    const { recordsOption, configOption } = kit.release.consumerPerformance;
    const options = [recordsOption, "5000", configOption, file, "--hide-header"];
    const output = await toolOutput(
      kit,
      `${TOOLS}.ConsumerPerformance`,
      "--topic",
      topic,
      "--group",
      group,
      ...options,
    );
    const columns = (output.trim().split("\n").at(-1) ?? "").split(", ");
    deepEqual([columns.length, columns[4]], [10, "5000"], output);
    const rows = offsetsOf(await toolOutput(kit, GROUP_COMMAND, "--describe", "--group", group), topic);
    deepEqual(
      rows.map(({ lag }) => lag),
      [0, 0],
    );
  });
}

async function produce(kit: Kit, topic: string, count: number): Promise<void> {
  const args = ["--topic", topic, "--max-messages", String(count), "--acks", "-1", ...KEYS];
  await toolOutput(kit, `${TOOLS}.VerifiableProducer`, ...args);
}

interface MemberEvent {
  readonly name: string;
  readonly partitions?: readonly PartitionEvent[];
}

interface PartitionEvent {
  readonly partition: number;
  readonly minOffset: number;
  readonly maxOffset: number;
}

/** A VerifiableConsumer: what it says that it owns and has read. Ends by SIGKILL, so it never leaves its group. */
class Member implements AsyncDisposable {
  readonly owned = new Set<number>();
  /** `partition offset` of each record. */
  readonly seen = new Set<string>();
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
  }

  static async start(kit: Kit, topic: string, protocol: GroupProtocol): Promise<Member> {
    const { version } = kit.release;
    const jvm = await javaArguments([...FAST_START, "-Xmx256m"], version);
    const place = ["--bootstrap-server", kit.broker.address, "--topic", topic, "--group-id", topic];
    // Only classic members choose their session; for the others the broker's configs say it.
    const session = protocol === "classic" ? ["--session-timeout", `${SHORT_SESSION_MS}`] : [];
    const args = [...place, "--group-protocol", protocol, ...session];
    const child = spawn("java", [...jvm, `${TOOLS}.VerifiableConsumer`, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const member = new Member(child);
    createInterface({ input: child.stdout }).on("line", (line) => member.#take(JSON.parse(line)));
    return member;
  }

  #take({ name, partitions = [] }: MemberEvent): void {
    for (const { partition, minOffset, maxOffset } of partitions) {
      if (name === "partitions_assigned") this.owned.add(partition);
      if (name === "partitions_revoked") this.owned.delete(partition);
      if (name !== "records_consumed") continue;
      for (let offset = minOffset; offset <= maxOffset; offset++) this.seen.add(`${partition} ${offset}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
