import { deepEqual, equal, match, ok } from "node:assert/strict";
import { runJava } from "../support/java.ts";
import { lastLines } from "../support/processes.ts";
import type { Facts } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { type Kit, sortedLines, TOOLS, tool, toolOutput } from "./tools.ts";

// Consumer groups with Kafka's own consumer and ConsumerGroupCommand.

const CONSOLE_CONSUMER = `${TOOLS}.consumer.ConsoleConsumer`;
const GROUP_COMMAND = `${TOOLS}.consumer.group.ConsumerGroupCommand`;

export async function checkGroups(facts: Facts, kit: Kit): Promise<void> {
  const topic = await newTopic(kit.broker, "java-groups", { partitions: 3 });
  await toolOutput(kit, `${TOOLS}.VerifiableProducer`, "--topic", topic, "--max-messages", "30", "--acks", "-1");
  await facts.check("the console consumer reads as a group, and again only what came since", async () => {
    deepEqual(await consume(kit, topic, ["--max-messages", "30"]), numbers(0, 30));
    const more = ["--max-messages", "5", "--value-prefix", "7", "--acks", "-1"];
    await toolOutput(kit, `${TOOLS}.VerifiableProducer`, "--topic", topic, ...more);
    deepEqual(
      await consume(kit, topic, ["--max-messages", "5"]),
      [0, 1, 2, 3, 4].map((n) => `7.${n}`),
    );
  });
  const command = (...args: readonly string[]): Promise<string> => toolOutput(kit, GROUP_COMMAND, ...args);
  const group = ["--group", "java-readers"];
  await facts.check("ConsumerGroupCommand lists the group, and describes its offsets, lag and state", async () => {
    ok(sortedLines(await command("--list")).includes("java-readers"));
    match(await command("--list", "--state"), /^java-readers +\S* *Empty *$/m);
    const rows = offsetsOf(await command("--describe", ...group), topic);
    equal(rows.length, 3);
    equal(
      rows.reduce((sum, { current }) => sum + current, 0),
      35,
    );
    deepEqual(
      rows.map(({ lag }) => lag),
      [0, 0, 0],
    );
    match(await command("--describe", "--state", ...group), /java-readers .* Empty +0\s*$/m);
  });
  await facts.check("ConsumerGroupCommand resets offsets, dry run first", async () => {
    const reset = [...group, "--topic", topic, "--reset-offsets", "--to-earliest"];
    match(await command(...reset, "--dry-run"), new RegExp(`java-readers +${topic} +\\d +0`));
    const lags = async (): Promise<number> => {
      const rows = offsetsOf(await command("--describe", ...group), topic);
      return rows.reduce((sum, { lag }) => sum + lag, 0);
    };
    equal(await lags(), 0);
    await command(...reset, "--execute");
    equal(await lags(), 35);
    equal((await consume(kit, topic, ["--max-messages", "35"])).length, 35);
  });
  await facts.check("ConsumerGroupCommand deletes offsets, then the group, and knows it no more", async () => {
    match(await command(...group, "--delete-offsets", "--topic", `${topic}:0`), /Successful/);
    equal(offsetsOf(await command("--describe", ...group), topic).length, 2);
    match(
      await command("--delete", ...group),
      /Deletion of requested consumer groups \('java-readers'\) was successful/,
    );
    ok(!sortedLines(await command("--list")).includes("java-readers"));
    const again = await tool(kit, GROUP_COMMAND, "--delete", ...group);
    match(again.stdout + again.stderr, /GroupIdNotFoundException/);
  });
}

function numbers(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i)).toSorted();
}

/** What the console consumer reads, sorted: partitions come in any order. */
async function consume(kit: Kit, topic: string, args: readonly string[]): Promise<readonly string[]> {
  const { version } = kit.release;
  const whole = ["--bootstrap-server", kit.broker.address, "--topic", topic, "--group", "java-readers", ...args];
  const options = ["--from-beginning", "--timeout-ms", "30000"];
  const finished = await runJava(CONSOLE_CONSUMER, [...whole, ...options], { version });
  equal(finished.code, 0, lastLines(finished.stdout + finished.stderr));
  return finished.stdout.trim().split("\n").toSorted();
}

/** The rows of `--describe` for one topic. */
function offsetsOf(described: string, topic: string): readonly { readonly current: number; readonly lag: number }[] {
  return described.split("\n").flatMap((line) => {
    const found = line.match(new RegExp(`^\\S+ +${topic} +\\d+ .*?(\\d+) +\\d+ +(\\d+) `));
    return found === null ? [] : [{ current: Number(found[1]), lag: Number(found[2]) }];
  });
}
