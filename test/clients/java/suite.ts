import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { Broker } from "../support/broker.ts";
import { KAFKA_VERSION, OLDER_KAFKA_VERSION, provideJava, runJava } from "../support/java.ts";
import { lastLines } from "../support/processes.ts";
import { readTopic } from "../support/reader.ts";
import { SHORT_SESSIONS } from "../support/short-sessions.ts";
import type { Facts, Suite } from "../support/suite.ts";
import { eventually, newTopic } from "../support/topics.ts";
import { checkAdmin } from "./admin.ts";
import { checkGroups } from "./groups.ts";
import { checkMembers } from "./members.ts";
import { CONFIG_COMMAND, type Kit, type Release, sortedLines, TOOLS, tool, toolOutput } from "./tools.ts";

const CURRENT: Release = {
  version: KAFKA_VERSION,
  apiVersionsCommand: `${TOOLS}.BrokerApiVersionsCommand`,
  propertiesOption: "--command-property",
  consumerPerformance: { recordsOption: "--num-records", configOption: "--command-config" },
  protocols: ["classic", "consumer"],
  nightlyProtocols: [],
};
const OLDER: Release = {
  version: OLDER_KAFKA_VERSION,
  apiVersionsCommand: "kafka.admin.BrokerApiVersionsCommand",
  propertiesOption: "--producer-props",
  consumerPerformance: { recordsOption: "--messages", configOption: "--consumer.config" },
  protocols: ["classic"],
  nightlyProtocols: ["consumer"],
};

export const javaSuite = suiteOf("java", CURRENT);
export const olderJavaSuite = suiteOf("java-3.9", OLDER);

function suiteOf(name: string, release: Release): Suite {
  return {
    name,
    budgetMinutes: 5,
    what: `Apache Kafka's own tools, ${release.version}: topics, configs, offsets, groups, producers, replicas, compatibility`,
    async run(facts, { target, isNightly }) {
      await provideJava(release.version);
      await using broker = await Broker.start(target, { configs: SHORT_SESSIONS });
      const protocols = isNightly ? [...release.protocols, ...release.nightlyProtocols] : release.protocols;
      const kit = { release, broker, protocols };
      await checkVersions(facts, kit);
      await checkTopicCommand(facts, kit);
      await checkConfigCommand(facts, kit);
      await checkProducers(facts, kit);
      await checkGetOffsetShell(facts, kit);
      await checkAdmin(facts, kit);
      await checkGroups(facts, kit);
      await checkMembers(facts, kit);
      await checkCompatibility(facts, kit);
    },
  };
}

async function checkVersions(facts: Facts, kit: Kit): Promise<void> {
  const { broker, release } = kit;
  await facts.check("BrokerApiVersionsCommand finds a version to speak for every API that it needs", async () => {
    const output = await toolOutput(kit, release.apiVersionsCommand);
    match(output, new RegExp(`^${broker.address.replaceAll(".", "\\.")} \\(id: \\d+ `, "m"));
    const apis = ["Produce", "Fetch", "ListOffsets", "Metadata", "ApiVersions", "CreateTopics", "DeleteTopics"];
    apis.push("InitProducerId", "DescribeConfigs", "IncrementalAlterConfigs", "CreatePartitions", "DescribeCluster");
    apis.push("FindCoordinator", "DescribeAcls", "AlterConfigs", "OffsetForLeaderEpoch", "DescribeTopicPartitions");
    apis.push("DeleteRecords", "DescribeProducers", "DescribeLogDirs", "ElectLeaders", "DescribeClientQuotas");
    apis.push("AlterPartitionReassignments", "ListPartitionReassignments");
    for (const api of apis) match(output, new RegExp(`\\b${api}\\(\\d+\\): [0-9 to]+ \\[usable: \\d+\\]`), api);
  });
}

async function checkTopicCommand(facts: Facts, kit: Kit): Promise<void> {
  const command = (...args: readonly string[]): Promise<string> => toolOutput(kit, `${TOOLS}.TopicCommand`, ...args);
  const topic = "java-topics";
  await facts.check("TopicCommand creates a topic with a config, lists it and describes it", async () => {
    const shape = ["--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=123456"];
    match(await command("--create", "--topic", topic, ...shape), /Created topic java-topics\./);
    ok(sortedLines(await command("--list")).includes(topic));
    const described = (await command("--describe", "--topic", topic)).trimEnd().split("\n");
    match(described[0] ?? "", /TopicId: [\w-]{22}\tPartitionCount: 3\tReplicationFactor: 1\t.*retention\.ms=123456/);
    for (const partition of [0, 1, 2]) {
      match(
        described[partition + 1] ?? "",
        new RegExp(`Partition: ${partition}\\tLeader: (\\d+)\\tReplicas: \\1\\tIsr: \\1`),
      );
    }
  });
  await facts.check("TopicCommand says that a topic exists, and creates nothing over it", async () => {
    const again = await tool(kit, `${TOOLS}.TopicCommand`, "--create", "--topic", topic, "--partitions", "9");
    equal(again.code, 1);
    match(again.stdout + again.stderr, /TopicExistsException: Topic 'java-topics' already exists\./);
  });
  await facts.check("TopicCommand adds partitions", async () => {
    await command("--alter", "--topic", topic, "--partitions", "5");
    match(await command("--describe", "--topic", topic), /PartitionCount: 5/);
  });
  await facts.check("TopicCommand deletes a topic", async () => {
    await command("--delete", "--topic", topic);
    await eventually("the topic is gone", async () => !sortedLines(await command("--list")).includes(topic), 20_000);
  });
}

async function checkConfigCommand(facts: Facts, kit: Kit): Promise<void> {
  const { broker, release } = kit;
  const topic = await newTopic(broker, "java-configs");
  const config = (action: string, ...args: readonly string[]): Promise<string> => {
    const entity = ["--entity-type", "topics", "--entity-name", topic];
    return toolOutput(kit, CONFIG_COMMAND, action, ...entity, ...args);
  };
  await facts.check("ConfigCommand adds topic configs, shows them with their synonyms, and deletes them", async () => {
    await config("--alter", "--add-config", "max.message.bytes=2000,cleanup.policy=[compact,delete]");
    const described = await config("--describe");
    match(
      described,
      /^ {2}max\.message\.bytes=2000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:max\.message\.bytes=2000,/m,
    );
    match(described, /DEFAULT_CONFIG:message\.max\.bytes=1048588\}/);
    match(described, /^ {2}cleanup\.policy=compact,delete /m);
    await config("--alter", "--delete-config", "max.message.bytes");
    const after = await config("--describe");
    ok(!after.includes("max.message.bytes"), after);
    match(await config("--describe", "--all"), /^ {2}max\.message\.bytes=1048588 sensitive=false/m);
  });
  await facts.check("ConfigCommand reports a value that is none", async () => {
    const entity = ["--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=never"];
    const failed = await tool(kit, CONFIG_COMMAND, "--alter", ...entity);
    equal(failed.code, 1);
    const said = failed.stdout + failed.stderr;
    match(
      said,
      /InvalidConfigurationException: Invalid value never for configuration retention\.ms: Not a number of type LONG/,
    );
  });
  await facts.check("ConfigCommand describes and alters the configs of the broker", async () => {
    const id = (await toolOutput(kit, release.apiVersionsCommand)).match(/\(id: (\d+)/)?.[1] ?? "";
    const entity = ["--entity-type", "brokers", "--entity-name", id];
    const all = await toolOutput(kit, CONFIG_COMMAND, "--describe", ...entity, "--all");
    match(all, /^ {2}message\.max\.bytes=1048588 sensitive=false/m);
    match(all, /^ {2}num\.partitions=1 sensitive=false/m);
    await toolOutput(kit, CONFIG_COMMAND, "--alter", ...entity, "--add-config", "log.retention.ms=7200000");
    const described = await toolOutput(kit, CONFIG_COMMAND, "--describe", ...entity);
    match(described, /^ {2}log\.retention\.ms=7200000 .*DYNAMIC_BROKER_CONFIG:log\.retention\.ms=7200000/m);
    await toolOutput(kit, CONFIG_COMMAND, "--alter", ...entity, "--delete-config", "log.retention.ms");
  });
}

async function checkProducers(facts: Facts, kit: Kit): Promise<void> {
  const { broker, release } = kit;
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    await facts.check(`ProducerPerformance sends 5,000 records in ${codec}, and all are there`, async () => {
      const topic = await newTopic(broker, `java-performance-${codec}`, { partitions: 3 });
      const size = ["--num-records", "5000", "--record-size", "200", "--throughput", "-1"];
      const properties = [`bootstrap.servers=${broker.address}`, "acks=all", `compression.type=${codec}`];
      const args = ["--topic", topic, ...size, release.propertiesOption, ...properties];
      const finished = await runJava(`${TOOLS}.ProducerPerformance`, args, { version: release.version });
      equal(finished.code, 0, lastLines(finished.stderr));
      match(finished.stdout, /^5000 records sent, /m);
      const partitions = await readTopic(broker.address, topic);
      equal(partitions.flat().length, 5_000);
      for (const records of partitions)
        deepEqual(
          records.map((one) => one.offset),
          [...records.keys()],
        );
      ok(partitions.flat().every((record) => record.value?.length === 200));
    });
  }
  await facts.check(
    "VerifiableProducer gets every record acknowledged at the offset where it then stands",
    async () => {
      const topic = await newTopic(broker, "java-verifiable", { partitions: 2 });
      const amount = ["--max-messages", "500", "--throughput", "-1", "--acks", "-1"];
      const output = await toolOutput(kit, `${TOOLS}.VerifiableProducer`, "--topic", topic, ...amount);
      const events = output
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      const sent = events.filter((event) => event.name === "producer_send_success");
      equal(sent.length, 500);
      const summary = events.find((event) => event.name === "tool_data");
      deepEqual([summary.sent, summary.acked], [500, 500]);
      const partitions = await readTopic(broker.address, topic);
      for (const { partition, offset, value } of sent) equal(partitions[partition]?.[offset]?.value, value);
      equal(partitions.flat().length, 500);
    },
  );
}

async function checkGetOffsetShell(facts: Facts, kit: Kit): Promise<void> {
  const { broker } = kit;
  await facts.check("GetOffsetShell answers latest, earliest, max-timestamp and by time", async () => {
    // Its records are of 1970, and Kafka looks for what is past its time half a minute after the start.
    const topic = await newTopic(broker, "java-offsets", { partitions: 2, configs: { "retention.ms": "-1" } });
    const amount = ["--max-messages", "41", "--throughput", "-1", "--message-create-time", "5000"];
    await toolOutput(kit, `${TOOLS}.VerifiableProducer`, "--topic", topic, ...amount);
    const shell = async (time: string): Promise<readonly string[]> =>
      sortedLines(await toolOutput(kit, `${TOOLS}.GetOffsetShell`, "--topic", topic, "--time", time));
    const lengths = (await readTopic(broker.address, topic)).map((records) => records.length);
    deepEqual(
      await shell("latest"),
      lengths.map((length, partition) => `${topic}:${partition}:${length}`),
    );
    deepEqual(await shell("earliest"), [`${topic}:0:0`, `${topic}:1:0`]);
    deepEqual(
      await shell("1000"),
      [0, 1].filter((i) => lengths[i] !== 0).map((i) => `${topic}:${i}:0`),
    );
    const newest = await shell("max-timestamp");
    equal(newest.length, lengths.filter((length) => length > 0).length);
    for (const line of newest) {
      const [, partition = "", offset = ""] = line.split(":");
      ok(Number(offset) < (lengths[Number(partition)] ?? 0), line);
    }
  });
  await facts.check("GetOffsetShell finds no topic that is not there", async () => {
    const finished = await tool(kit, `${TOOLS}.GetOffsetShell`, "--topic", "nowhere");
    notEqual(finished.code, 0);
    match(finished.stdout + finished.stderr, /Could not match any topic-partitions/);
  });
}

async function checkCompatibility(facts: Facts, kit: Kit): Promise<void> {
  const { broker } = kit;
  await facts.check("ClientCompatibilityTest finds every feature of a current broker", async () => {
    const topic = await newTopic(broker, "java-compatibility", { partitions: 2 });
    const features = ["offsets-for-times", "cluster-id", "create-topics", "describe-acls", "describe-configs"];
    const flags = [...features, "idempotent-producer"].flatMap((feature) => [`--${feature}-supported`, "true"]);
    // Since KIP-74 a fetch answers one record however large it is; only brokers before that make the client fail.
    flags.push("--expect-record-too-large-exception", "false", "--num-cluster-nodes", "1");
    const output = await toolOutput(kit, `${TOOLS}.ClientCompatibilityTest`, "--topic", topic, ...flags);
    match(output, /SUCCESS/);
  });
}
