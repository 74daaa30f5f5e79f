import { Command } from "commander";
import { commitOffsets, committedOffsets, type TopicOffsets } from "#lib/client/group-offsets.ts";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { findTopics } from "#lib/client/topic-metadata.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { addBootstrapOption, type ClientOptions, collect, openClient } from "./cli/client.ts";
import { describeGroup, nonEmpty } from "./cli/group-admin.ts";
import { formatPlan } from "./cli/group-output.ts";
import { offsetsOf, parseTargets, planReset, type ResetTargets, type ResetTo } from "./cli/offset-reset.ts";
import { parseInteger, parseTime } from "./cli/parse.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";

const NEVER = new AbortController().signal;

interface ResetOptions extends ClientOptions {
  readonly topic?: readonly string[];
  readonly allTopics?: boolean;
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly toDatetime?: string;
  readonly shiftBy?: string;
  readonly toOffset?: string;
  readonly create?: boolean;
  readonly execute?: boolean;
  readonly json?: boolean;
}

/** `millrace groups reset-offsets`: where a group without members begins next time. Changes nothing unless told to. */
export function resetOffsetsCommand(): Command {
  return addBootstrapOption(new Command("reset-offsets"))
    .description("set what a group without members has committed; a dry run unless --execute is given")
    .argument("<GROUP>")
    .option("-t, --topic <TOPIC[:P,P]>", "a topic, or some of its partitions; repeatable", collect)
    .option("--all-topics", "every partition for which the group has committed")
    .option("--to-earliest", "to the beginnings of the logs")
    .option("--to-latest", "to the ends of the logs")
    .option("--to-datetime <ISO>", "to the first record at or after a time (ISO 8601, UTC unless it says a zone)")
    .option("--shift-by <N>", "by so many offsets from the committed one; below 0 goes back")
    .option("--to-offset <N>", "to this offset")
    .option("--create", "make the group if there is none")
    .option("--execute", "commit the new offsets")
    .option("--json", "one JSON object of { group, executed, offsets: [{ topic, partition, from, to, note }] }")
    .addHelpText("after", "\nAn offset that the log does not have becomes the nearest one that it has, with a note.")
    .action(resetOffsets);
}

async function resetOffsets(groupId: string, options: ResetOptions): Promise<void> {
  if (groupId === "") throw new UsageError("a group id has at least one character");
  const to = resetToOf(options);
  const named = targetsOf(options);
  await using client = openClient(options);
  await checkEmpty(client, groupId, options.create === true);
  const committed = await committedOffsets(client, groupId, NEVER);
  const targets = named ?? (await committedTargets(client, groupId, committed));
  const planned = await planReset(client, { targets, committed, to }, NEVER);
  const isExecuted = options.execute === true;
  if (isExecuted) await commit(client, groupId, offsetsOf(planned));
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ group: groupId, executed: isExecuted, offsets: planned })}\n`);
    return;
  }
  process.stdout.write(formatPlan(planned));
  if (!isExecuted) process.stderr.write("dry run: nothing was changed; add --execute to commit the new offsets\n");
}

function resetToOf(options: ResetOptions): ResetTo {
  const given: ResetTo[] = [];
  if (options.toEarliest === true) given.push({ kind: "earliest" });
  if (options.toLatest === true) given.push({ kind: "latest" });
  if (options.toDatetime !== undefined) given.push({ kind: "time", timestampMs: timeOf(options.toDatetime) });
  if (options.shiftBy !== undefined) {
    const min = -Number.MAX_SAFE_INTEGER;
    given.push({ kind: "shift", by: parseInteger(options.shiftBy, { name: "--shift-by", min }) });
  }
  if (options.toOffset !== undefined) {
    given.push({ kind: "offset", offset: parseInteger(options.toOffset, { name: "--to-offset", min: 0 }) });
  }
  const [to, other] = given;
  if (to !== undefined && other === undefined) return to;
  throw new UsageError("name exactly one of --to-earliest, --to-latest, --to-datetime, --shift-by and --to-offset");
}

function timeOf(text: string): number {
  const timestampMs = parseTime(text);
  if (timestampMs !== undefined) return timestampMs;
  throw new UsageError(`--to-datetime is a time such as 2026-11-21T08:30:00Z, not "${text}"`);
}

/** Undefined for all that the group has committed. */
function targetsOf({ topic = [], allTopics }: ResetOptions): ResetTargets | undefined {
  if (topic.length > 0 === (allTopics === true)) throw new UsageError("name either --topic or --all-topics");
  return allTopics === true ? undefined : parseTargets(topic);
}

async function checkEmpty(client: KafkaClient, groupId: string, mayCreate: boolean): Promise<void> {
  try {
    const group = await describeGroup(client, groupId, NEVER);
    if (group.members.length > 0 || !["Empty", "Dead"].includes(group.state)) throw nonEmpty(group);
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== ErrorCode.GROUP_ID_NOT_FOUND || !mayCreate) throw error;
  }
}

async function committedTargets(client: KafkaClient, groupId: string, committed: TopicOffsets): Promise<ResetTargets> {
  const topics = await findTopics(client, [...committed.keys()], NEVER);
  const targets = [...committed].flatMap(([name, offsets]) => {
    if (topics.has(name) && offsets.size > 0) return [[name, [...offsets.keys()]] as const];
    process.stderr.write(`topic ${name} is gone; what was committed for it stays as it is\n`);
    return [];
  });
  if (targets.length > 0) return new Map(targets);
  throw new CommandFailure(`group ${groupId} has committed nothing; name topics with --topic`);
}

/** Codes by which brokers refuse a commit from outside of a group with members. */
const REFUSALS: readonly number[] = [
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.STALE_MEMBER_EPOCH,
];

async function commit(client: KafkaClient, groupId: string, offsets: TopicOffsets): Promise<void> {
  try {
    await commitOffsets(client, { groupId, offsets }, NEVER);
  } catch (error) {
    // A member has joined between the look and the commit.
    if (error instanceof KafkaError && REFUSALS.includes(error.code)) await checkEmpty(client, groupId, true);
    throw error;
  }
}
