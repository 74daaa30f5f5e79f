import { deepEqual, equal, match, ok } from "node:assert/strict";
import { runJava } from "../support/java.ts";
import { lastLines } from "../support/processes.ts";
import type { Facts } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { type GroupProtocol, type Kit, sortedLines, TOOLS, tool, toolOutput } from "./tools.ts";

// Consumer groups with Kafka's own consumer and ConsumerGroupCommand.

const CONSOLE_CONSUMER = `${TOOLS}.consumer.ConsoleConsumer`;
export const GROUP_COMMAND = `${TOOLS}.consumer.group.ConsumerGroupCommand`;

export async function checkGroups(facts: Facts, kit: Kit): Promise<void> {
  for (const protocol of kit.protocols) await checkProtocol(facts, kit, protocol);
}

async function checkProtocol(facts: Facts, kit: Kit, protocol: GroupProtocol): Promise<void> {
  const name = `java-${protocol}`;
  const topic = await newTopic(kit.broker, name, { partitions: 3 });
  const reader = { kit, topic, group: name, protocol };
  await toolOutput(kit, `${TOOLS}.VerifiableProducer`, "--topic", topic, "--max-messages", "30", "--acks", "-1");
  await facts.check(`${protocol}: the console consumer reads as a group, and again only what came since`, async () => {
    deepEqual(await consume(reader, ["--max-messages", "30"]), numbers(0, 30));
    const more = ["--max-messages", "5", "--value-prefix", "7", "--acks", "-1"];
    await toolOutput(kit, `${TOOLS}.VerifiableProducer`, "--topic", topic, ...more);
    deepEqual(
      await consume(reader, ["--max-messages", "5"]),
      [0, 1, 2, 3, 4].map((n) => `7.${n}`),
    );
  });
  const command = (...args: readonly string[]): Promise<string> => toolOutput(kit, GROUP_COMMAND, ...args);
  const group = ["--group", name];
  await facts.check(
    `${protocol}: ConsumerGroupCommand lists the group, and describes its offsets, lag and state`,
    async () => {
      ok(sortedLines(await command("--list")).includes(name));
      match(await command("--list", "--state"), new RegExp(`^${name} +\\S* *Empty *$`, "m"));
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
      match(await command("--describe", "--state", ...group), new RegExp(`${name} .* Empty +0\\s*$`, "m"));
    },
  );
  await facts.check(`${protocol}: ConsumerGroupCommand resets offsets, dry run first`, async () => {
    const reset = [...group, "--topic", topic, "--reset-offsets", "--to-earliest"];
    match(await command(...reset, "--dry-run"), new RegExp(`${name} +${topic} +\\d +0`));
    const lags = async (): Promise<number> => {
      const rows = offsetsOf(await command("--describe", ...group), topic);
      return rows.reduce((sum, { lag }) => sum + lag, 0);
    };
    equal(await lags(), 0);
    await command(...reset, "--execute");
    equal(await lags(), 35);
    equal((await consume(reader, ["--max-messages", "35"])).length, 35);
  });
  await facts.check(
    `${protocol}: ConsumerGroupCommand deletes offsets, then the group, and knows it no more`,
    async () => {
      match(await command(...group, "--delete-offsets", "--topic", `${topic}:0`), /Successful/);
      equal(offsetsOf(await command("--describe", ...group), topic).length, 2);
      match(
        await command("--delete", ...group),
        new RegExp(`Deletion of requested consumer groups \\('${name}'\\) was successful`),
      );
      ok(!sortedLines(await command("--list")).includes(name));
      const again = await tool(kit, GROUP_COMMAND, "--delete", ...group);
      match(again.stdout + again.stderr, /GroupIdNotFoundException/);
    },
  );
}

interface Reader {
  readonly kit: Kit;
  readonly topic: string;
  readonly group: string;
  readonly protocol: string;
}

function numbers(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i)).toSorted();
}

/** What the console consumer reads, sorted: partitions come in any order. */
async function consume(reader: Reader, args: readonly string[]): Promise<readonly string[]> {
  const { kit, topic, group, protocol } = reader;
  const { version } = kit.release;
  const whole = ["--bootstrap-server", kit.broker.address, "--topic", topic, "--group", group, ...args];
  const property = [
    version.startsWith("4.") ? "--command-property" : "--consumer-property",
    `group.protocol=${protocol}`,
  ];
  const options = ["--from-beginning", "--timeout-ms", "30000", ...property];
  const finished = await runJava(CONSOLE_CONSUMER, [...whole, ...options], { version });
  equal(finished.code, 0, lastLines(finished.stdout + finished.stderr));
  return finished.stdout.trim().split("\n").toSorted();
}

/** The rows of `--describe` for one topic. */
export function offsetsOf(
  described: string,
  topic: string,
): readonly { readonly current: number; readonly lag: number }[] {
  return described.split("\n").flatMap((line) => {
    const found = line.match(new RegExp(`^\\S+ +${topic} +\\d+ .*?(\\d+) +\\d+ +(\\d+) `));
    return found === null ? [] : [{ current: Number(found[1]), lag: Number(found[2]) }];
  });
}
