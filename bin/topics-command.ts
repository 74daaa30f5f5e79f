import { Command } from "commander";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { topicMetadata } from "#lib/client/topic-metadata.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { brokerDataDir } from "./cli/broker-data-dir.ts";
import { addBootstrapOption, type ClientOptions, collect, openClient } from "./cli/client.ts";
import { LeaderOffsets } from "./cli/leader-offsets.ts";
import { parseInteger, parseKeyValue } from "./cli/parse.ts";
import { formatTable } from "./cli/table.ts";
import {
  alterTopicConfigs,
  createTopic,
  deleteTopics,
  describeTopic,
  growTopic,
  type TopicDescription,
} from "./cli/topic-admin.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";

const NEVER = new AbortController().signal;

/** For a line that nobody has asked for, nobody waits longer. */
const ADVICE_MS_MAX = 2_000;

/** `millrace topics`: what topics there are, and changes to them. */
export function topicsCommand(): Command {
  return new Command("topics")
    .description("create, list, describe, alter and delete topics")
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(describeCommand())
    .addCommand(alterCommand())
    .addCommand(deleteCommand());
}

interface CreateOptions extends ClientOptions {
  readonly partitions?: string;
  readonly replicationFactor?: string;
  readonly config?: readonly string[];
  readonly ifNotExists?: boolean;
}

function createCommand(): Command {
  return addBootstrapOption(new Command("create"))
    .description("create a topic")
    .argument("<NAME>", "up to 249 letters, digits, dots, underscores and hyphens")
    .option("-p, --partitions <N>", "number of partitions (default: the broker's num.partitions)")
    .option(
      "-r, --replication-factor <N>",
      "copies of each partition (default: the broker's default.replication.factor)",
    )
    .option("-c, --config <KEY=VALUE>", "a topic config such as retention.ms=86400000; repeatable", collect)
    .option("--if-not-exists", "take a topic that exists for success")
    .action(async (name: string, options: CreateOptions) => {
      const topic = {
        name,
        partitions: countOf(options.partitions, "--partitions"),
        replicationFactor: countOf(options.replicationFactor, "--replication-factor"),
        configs: (options.config ?? []).map((text) => parseKeyValue(text, "--config")),
      };
      await using client = openClient(options);
      try {
        const partitions = await createTopic(client, topic, NEVER);
        process.stdout.write(`created ${name}${partitions < 0 ? "" : ` partitions=${partitions}`}\n`);
      } catch (error) {
        const exists = error instanceof KafkaError && error.code === ErrorCode.TOPIC_ALREADY_EXISTS;
        if (!exists || options.ifNotExists !== true) throw error;
        process.stdout.write(`exists ${name}\n`);
      }
    });
}

function countOf(text: string | undefined, name: string): number {
  return text === undefined ? -1 : parseInteger(text, { name, min: 1, max: 0x7fff_ffff });
}

function listCommand(): Command {
  return addBootstrapOption(new Command("list"))
    .description("list topics by name")
    .option("--json", "one JSON array of { name, topicId, partitions }")
    .action(async (options: ClientOptions & { readonly json?: boolean }) => {
      await using client = openClient(options);
      const topics = [...(await topicMetadata(client, null, NEVER))].sort((a, b) => (a.name < b.name ? -1 : 1));
      const shown = topics.map(({ name, topicId, partitions }) => ({ name, topicId, partitions: partitions.length }));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(shown)}\n` : shown.map(({ name }) => `${name}\n`).join(""),
      );
    });
}

function describeCommand(): Command {
  return addBootstrapOption(new Command("describe"))
    .description(
      "show partitions, leaders, replicas, offsets (? where a leader does not answer) and the configs set on topics",
    )
    .argument("[NAME...]", "topics (default: all)")
    .option("--json", "one JSON array")
    .action(async (names: readonly string[], options: ClientOptions & { readonly json?: boolean }) => {
      await using client = openClient(options);
      const described = await describeAll(client, names);
      if (options.json === true) process.stdout.write(`${JSON.stringify(described)}\n`);
      else process.stdout.write(described.map(formatDescription).join("\n"));
    });
}

async function describeAll(client: KafkaClient, names: readonly string[]): Promise<readonly TopicDescription[]> {
  const topics = await topicMetadata(client, names.length === 0 ? null : names, NEVER);
  const described: TopicDescription[] = [];
  const query = { offsets: new LeaderOffsets(client, NEVER), signal: NEVER };
  for (const topic of topics) described.push(await describeTopic(client, topic, query));
  return described.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function formatDescription(topic: TopicDescription): string {
  const configs = Object.entries(topic.configs).map(([key, value]) => `${key}=${value}`);
  const head = `${topic.name}  id=${topic.topicId}  partitions=${topic.partitions.length}  replication-factor=${topic.replicationFactor}`;
  const table = formatTable(
    ["partition", "leader", "replicas", "isr", "earliest", "latest"],
    topic.partitions.map((each) => [
      each.partition,
      each.leader < 0 ? "none" : each.leader,
      each.replicas.join(","),
      each.isr.join(","),
      each.earliestOffset ?? "?",
      each.latestOffset ?? "?",
    ]),
  );
  return `${head}\nconfigs: ${configs.length === 0 ? "none set" : configs.join(" ")}\n${table}`;
}

interface AlterOptions extends ClientOptions {
  readonly partitions?: string;
  readonly config?: readonly string[];
  readonly deleteConfig?: readonly string[];
}

function alterCommand(): Command {
  return addBootstrapOption(new Command("alter"))
    .description("add partitions to a topic, set its configs or take them back")
    .argument("<NAME>")
    .option("-p, --partitions <N>", "the new total; partitions are never taken away")
    .option("-c, --config <KEY=VALUE>", "set a topic config; repeatable", collect)
    .option("--delete-config <KEY>", "let the broker's default hold again; repeatable", collect)
    .action(async (name: string, options: AlterOptions) => {
      const set = (options.config ?? []).map((text) => parseKeyValue(text, "--config"));
      const remove = options.deleteConfig ?? [];
      const partitions = countOf(options.partitions, "--partitions");
      if (set.length + remove.length === 0 && partitions < 0) {
        throw new UsageError("nothing to alter: name --partitions, --config or --delete-config");
      }
      await using client = openClient(options);
      if (set.length + remove.length > 0) await alterTopicConfigs(client, { name, set, remove }, NEVER);
      if (partitions > 0) await growTopic(client, { name, partitions }, NEVER);
      process.stdout.write(`altered ${name}\n`);
    });
}

function deleteCommand(): Command {
  return addBootstrapOption(new Command("delete"))
    .description("delete topics with all their records")
    .argument("<NAME...>")
    .option("--if-exists", "take a topic that is not there for success")
    .action(async (names: readonly string[], options: ClientOptions & { readonly ifExists?: boolean }) => {
      await using client = openClient(options);
      const errors = await deleteTopics(client, names, NEVER);
      let failed = 0;
      let deleted = 0;
      for (const [index, name] of names.entries()) {
        const error = errors[index];
        const isMissing = error?.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        if (error === undefined) {
          deleted++;
          process.stdout.write(`deleted ${name}\n`);
        } else if (isMissing && options.ifExists === true) process.stdout.write(`missing ${name}\n`);
        else {
          failed++;
          process.stderr.write(`${error.message}\n`);
        }
      }
      if (deleted > 0 && options.url === undefined) await adviseGarbage(client, deleted);
      if (failed > 0) {
        throw new CommandFailure(`${failed} of ${names.length} topics were not deleted; see: millrace topics list`);
      }
    });
}

/** Who deletes to free a disk wonders why it is as full as before. */
async function adviseGarbage(client: KafkaClient, deleted: number): Promise<void> {
  const dataDir = await brokerDataDir(client, AbortSignal.timeout(ADVICE_MS_MAX));
  if (dataDir === undefined) return;
  const whose = deleted === 1 ? "its" : "their";
  process.stderr.write(`${whose} files go in some hours; at once: millrace run garbage --data-dir ${dataDir} --now\n`);
}
