import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runJava } from "../support/java.ts";
import { lastLines } from "../support/processes.ts";
import type { Facts } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { CONFIG_COMMAND, type Kit, sortedLines, TOOLS, tool, toolOutput } from "./tools.ts";

// The tools that delete records, look into the broker and ask for other replicas and leaders.

const REASSIGN = `${TOOLS}.reassign.ReassignPartitionsCommand`;
const RECORDS = 20;

/** One partition with twenty records of an idempotent producer, from the creation of the topic on. */
interface Written {
  readonly topic: string;
  readonly brokerId: number;
}

export async function checkAdmin(facts: Facts, kit: Kit): Promise<void> {
  const { broker, release } = kit;
  const topic = await newTopic(broker, "java-admin");
  const size = ["--num-records", String(RECORDS), "--record-size", "100", "--throughput", "-1"];
  const properties = [release.propertiesOption, `bootstrap.servers=${broker.address}`, "enable.idempotence=true"];
  const args = ["--topic", topic, ...size, ...properties];
  const produced = await runJava(`${TOOLS}.ProducerPerformance`, args, { version: release.version });
  equal(produced.code, 0, lastLines(produced.stderr));
  const versions = await toolOutput(kit, release.apiVersionsCommand);
  const written = { topic, brokerId: Number(versions.match(/\(id: (\d+)/)?.[1]) };
  await checkLooks(facts, kit, written);
  await checkReassignments(facts, kit, written);
  await checkElections(facts, kit, written);
  await checkDeleteRecords(facts, kit, written);
}

/** A file for a tool that takes no arguments instead. */
function jsonFile({ broker }: Kit, name: string, partitions: readonly object[]): string {
  const file = join(broker.directory, name);
  writeFileSync(file, JSON.stringify({ version: 1, partitions }));
  return file;
}

async function checkLooks(facts: Facts, kit: Kit, { topic, brokerId }: Written): Promise<void> {
  await facts.check("LogDirsCommand shows every partition in one directory of the broker, with its bytes", async () => {
    const output = await toolOutput(kit, `${TOOLS}.LogDirsCommand`, "--describe", "--topic-list", topic);
    const { brokers } = JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "{}");
    deepEqual(
      brokers.map(({ broker }: { broker: number }) => broker),
      [brokerId],
    );
    const [directory, ...others] = brokers[0].logDirs;
    equal(others.length, 0);
    equal(directory.error, null);
    ok(directory.logDir.length > 0);
    const [{ size, ...partition }] = directory.partitions;
    deepEqual(partition, { partition: `${topic}-0`, offsetLag: 0, isFuture: false });
    ok(size > RECORDS * 100 && size < RECORDS * 200, `${size} bytes`);
  });
  await facts.check("TransactionsCommand shows the idempotent producer of a partition", async () => {
    const place = ["--topic", topic, "--partition", "0"];
    const output = await toolOutput(kit, `${TOOLS}.TransactionsCommand`, "describe-producers", ...place);
    const [head, ...producers] = output.trimEnd().split("\n");
    match(head ?? "", /^ProducerId\s+ProducerEpoch\s+LatestCoordinatorEpoch\s+LastSequence\s+LastTimestamp/);
    equal(producers.length, 1);
    match(producers[0] ?? "", new RegExp(`^\\d+\\s+0\\s+-1\\s+${RECORDS - 1}\\s+\\d{13}\\s+None\\s*$`));
  });
  await facts.check("ConfigCommand finds no quotas of clients and of addresses", async () => {
    for (const type of ["clients", "ips"]) {
      equal((await toolOutput(kit, CONFIG_COMMAND, "--describe", "--entity-type", type)).trim(), "");
    }
  });
}

async function checkReassignments(facts: Facts, kit: Kit, { topic, brokerId }: Written): Promise<void> {
  const plan = (replicas: readonly number[]): readonly string[] => {
    const partitions = [{ topic, partition: 0, replicas, log_dirs: ["any"] }];
    return ["--reassignment-json-file", jsonFile(kit, "reassignment.json", partitions)];
  };
  await facts.check("ReassignPartitionsCommand keeps the replicas that a partition has, and none moves", async () => {
    match(await toolOutput(kit, REASSIGN, "--list"), /No partition reassignments found\./);
    const executed = await toolOutput(kit, REASSIGN, "--execute", ...plan([brokerId]));
    match(executed, new RegExp(`Successfully started partition reassignment for ${topic}-0`));
    match(
      await toolOutput(kit, REASSIGN, "--verify", ...plan([brokerId])),
      /Reassignment of partition .* is completed/,
    );
    match(await toolOutput(kit, REASSIGN, "--cancel", ...plan([brokerId])), /None of the specified .* are active/);
  });
  await facts.check("ReassignPartitionsCommand finds no broker that is not there", async () => {
    const failed = await tool(kit, REASSIGN, "--execute", ...plan([brokerId + 7]));
    notEqual(failed.code, 0);
    match(failed.stdout + failed.stderr, new RegExp(`Unknown broker id ${brokerId + 7}`));
  });
}

async function checkElections(facts: Facts, kit: Kit, { topic }: Written): Promise<void> {
  const elect = `${TOOLS}.LeaderElectionCommand`;
  await facts.check("LeaderElectionCommand finds that the preferred replica leads already", async () => {
    const type = ["--election-type", "preferred"];
    const output = await toolOutput(kit, elect, ...type, "--topic", topic, "--partition", "0");
    match(output, new RegExp(`Valid replica already elected for partitions ${topic}-0`));
    equal((await toolOutput(kit, elect, ...type, "--all-topic-partitions")).trim(), "");
  });
  await facts.check("LeaderElectionCommand elects no leader of a topic that is not there", async () => {
    const place = ["--topic", "nowhere", "--partition", "0"];
    const failed = await tool(kit, elect, "--election-type", "unclean", ...place);
    equal(failed.code, 1);
    match(failed.stdout + failed.stderr, /UnknownTopicOrPartitionException: No such topic as nowhere/);
  });
}

async function checkDeleteRecords(facts: Facts, kit: Kit, { topic }: Written): Promise<void> {
  const offsetsAt = async (time: string): Promise<readonly string[]> =>
    sortedLines(await toolOutput(kit, `${TOOLS}.GetOffsetShell`, "--topic", topic, "--time", time));
  const deleteUpTo = async (...partitions: readonly object[]): Promise<readonly string[]> => {
    const file = jsonFile(kit, "deletion.json", partitions);
    const output = await toolOutput(kit, `${TOOLS}.DeleteRecordsCommand`, "--offset-json-file", file);
    return sortedLines(output).filter((line) => line.startsWith("partition: "));
  };
  await facts.check(
    "DeleteRecordsCommand deletes up to an offset, and other partitions fail by themselves",
    async () => {
      const compacted = await newTopic(kit.broker, "java-compacted", { configs: { "cleanup.policy": "compact" } });
      const answers = await deleteUpTo(
        { topic, partition: 0, offset: 7 },
        { topic: compacted, partition: 0, offset: 0 },
      );
      equal(answers.length, 2);
      equal(answers[0], `partition: ${topic}-0\tlow_watermark: 7`);
      match(answers[1] ?? "", new RegExp(`^partition: ${compacted}-0\\terror: .*PolicyViolationException`));
      deepEqual(await offsetsAt("earliest"), [`${topic}:0:7`]);
    },
  );
  await facts.check(
    "DeleteRecordsCommand goes neither back nor beyond the end, and then deletes the rest",
    async () => {
      deepEqual(await deleteUpTo({ topic, partition: 0, offset: 3 }), [`partition: ${topic}-0\tlow_watermark: 7`]);
      const [beyond] = await deleteUpTo({ topic, partition: 0, offset: RECORDS + 1 });
      match(beyond ?? "", /error: .*OffsetOutOfRangeException/);
      deepEqual(await offsetsAt("earliest"), [`${topic}:0:7`]);
      const all = `partition: ${topic}-0\tlow_watermark: ${RECORDS}`;
      deepEqual(await deleteUpTo({ topic, partition: 0, offset: -1 }), [all]);
      deepEqual(await offsetsAt("earliest"), [`${topic}:0:${RECORDS}`]);
      deepEqual(await offsetsAt("latest"), [`${topic}:0:${RECORDS}`]);
    },
  );
}
