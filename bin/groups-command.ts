import { Command } from "commander";
import { committedOffsets } from "#lib/client/group-offsets.ts";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { addBootstrapOption, type ClientOptions, collect, openClient } from "./cli/client.ts";
import { deleteGroup, describeGroup, type ListedGroup, listGroups } from "./cli/group-admin.ts";
import { describeLag } from "./cli/group-lag.ts";
import { formatGroups, formatHead, formatLags, formatMembers } from "./cli/group-output.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";
import { resetOffsetsCommand } from "./reset-offsets-command.ts";

const NEVER = new AbortController().signal;

const STATES = [
  "Empty",
  "PreparingRebalance",
  "CompletingRebalance",
  "Assigning",
  "Reconciling",
  "Stable",
  "Dead",
  "NotReady",
];
const TYPES = ["classic", "consumer", "share", "streams"];

/** `millrace groups`: what groups there are, how far behind they read, and changes to them. */
export function groupsCommand(): Command {
  return new Command("groups")
    .description("list, describe and delete consumer groups, and reset what they have committed")
    .addCommand(listCommand())
    .addCommand(describeCommand())
    .addCommand(resetOffsetsCommand())
    .addCommand(deleteCommand());
}

interface ListOptions extends ClientOptions {
  readonly state?: readonly string[];
  readonly type?: readonly string[];
  readonly json?: boolean;
}

function listCommand(): Command {
  return addBootstrapOption(new Command("list"))
    .description("list groups by name with their type, state and protocol")
    .option(
      "--state <STATE>",
      `only groups in this state, in upper or lower case: ${STATES.join(", ")}; repeatable`,
      collect,
    )
    .option("--type <TYPE>", `only groups of this type: ${TYPES.join(", ")}; repeatable`, collect)
    .option("--json", "one JSON array of { group, type, state, protocol }")
    .action(async (options: ListOptions) => {
      const states = wantedOf(options.state, { name: "--state", known: STATES });
      const types = wantedOf(options.type, { name: "--type", known: TYPES });
      await using client = openClient(options);
      const groups = await listGroups(client, NEVER);
      checkTold(groups, { states, types });
      const shown = groups.filter(({ state, type }) => passes(states, state) && passes(types, type));
      process.stdout.write(options.json === true ? `${JSON.stringify(shown)}\n` : formatGroups(shown));
    });
}

type Filter = readonly string[] | undefined;

function wantedOf(
  texts: readonly string[] | undefined,
  { name, known }: { readonly name: string; readonly known: readonly string[] },
): Filter {
  return texts?.map((text) => {
    const lower = text.toLowerCase();
    if (known.some((each) => each.toLowerCase() === lower)) return lower;
    throw new UsageError(`${name} is one of ${known.join(", ")}, not "${text}"`);
  });
}

function passes(wanted: Filter, value: string): boolean {
  return wanted === undefined || wanted.includes(value.toLowerCase());
}

/** A broker that does not tell would make every filter's answer an empty list. */
function checkTold(
  groups: readonly ListedGroup[],
  { states, types }: { readonly states: Filter; readonly types: Filter },
) {
  if (states !== undefined && groups.some(({ state }) => state === "")) {
    throw new CommandFailure("the broker does not list the states of groups; see them with: millrace groups describe");
  }
  if (types !== undefined && groups.some(({ type }) => type === "")) {
    throw new CommandFailure(
      "the broker does not list the types of groups; those of brokers before 3.7 are all classic",
    );
  }
}

interface DescribeOptions extends ClientOptions {
  readonly members?: boolean;
  readonly json?: boolean;
}

function describeCommand(): Command {
  return addBootstrapOption(new Command("describe"))
    .description("show what groups have committed, how far behind that is in records and in time, and who reads")
    .argument("<GROUP...>")
    .option("--members", "members with what is assigned to them, in place of partitions")
    .option("--json", "one JSON array with groups, members and partitions")
    .addHelpText(
      "after",
      "\nlag: offsets from the committed one to the log's end. lag-seconds: since the timestamp of the first unread" +
        "\nrecord, 0 when nothing is unread. retention-left: until the topic's retention.ms lets that record go." +
        "\nA dash: nothing committed, nothing unread, or nothing kept by time.",
    )
    .action(async (names: readonly string[], options: DescribeOptions) => {
      const groupIds = checkGroupIds(names);
      await using client = openClient(options);
      const shown: object[] = [];
      let written = 0;
      const describe = async (groupId: string) => {
        const { json, text } = await describeOne(client, groupId, options.members === true);
        shown.push(json);
        if (options.json !== true) process.stdout.write(`${written++ === 0 ? "" : "\n"}${text}`);
      };
      try {
        await forEachGroup(groupIds, describe, "described");
      } finally {
        if (options.json === true) process.stdout.write(`${JSON.stringify(shown)}\n`);
      }
    });
}

async function describeOne(
  client: KafkaClient,
  groupId: string,
  isOfMembers: boolean,
): Promise<{ readonly json: object; readonly text: string }> {
  const group = await describeGroup(client, groupId, NEVER);
  if (isOfMembers) return { json: group, text: `${formatHead(group)}${formatMembers(group)}` };
  const partitions = await describeLag(client, group, await committedOffsets(client, groupId, NEVER), NEVER);
  return { json: { ...group, partitions }, text: `${formatHead(group)}${formatLags(partitions)}` };
}

function deleteCommand(): Command {
  return addBootstrapOption(new Command("delete"))
    .description("delete groups that have no members, with all they have committed")
    .argument("<GROUP...>")
    .option("--if-exists", "take a group that is not there for success")
    .action(async (names: readonly string[], options: ClientOptions & { readonly ifExists?: boolean }) => {
      const groupIds = checkGroupIds(names);
      await using client = openClient(options);
      const remove = async (groupId: string) => {
        try {
          await deleteGroup(client, groupId, NEVER);
          process.stdout.write(`deleted ${groupId}\n`);
        } catch (error) {
          const isMissing = error instanceof KafkaError && error.code === ErrorCode.GROUP_ID_NOT_FOUND;
          if (!isMissing || options.ifExists !== true) throw error;
          process.stdout.write(`missing ${groupId}\n`);
        }
      };
      await forEachGroup(groupIds, remove, "deleted");
    });
}

/** Kafka knows a group without a name, from clients before 2.2, and lets nobody work with it. */
function checkGroupIds(names: readonly string[]): readonly string[] {
  if (names.includes("")) throw new UsageError("a group id has at least one character");
  return [...new Set(names)];
}

/** One group after the other; what the broker says of one does not keep the others from their turn. */
async function forEachGroup(
  groupIds: readonly string[],
  work: (groupId: string) => Promise<void>,
  done: string,
): Promise<void> {
  let failed = 0;
  for (const groupId of groupIds) {
    try {
      await work(groupId);
    } catch (error) {
      // Alone it is the command's own error, with what to do next.
      if (!(error instanceof KafkaError) || groupIds.length === 1) throw error;
      failed++;
      process.stderr.write(`${error.message}\n`);
    }
  }
  if (failed > 0) {
    throw new CommandFailure(`${failed} of ${groupIds.length} groups were not ${done}; see: millrace groups list`);
  }
}
