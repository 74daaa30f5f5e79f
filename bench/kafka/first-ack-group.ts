import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TopicProducer } from "#lib/client/topic-producer.ts";
import { type BrokerCommand, type CommandMaker, freePort } from "../../test/clients/support/broker.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { ROOT } from "../../test/clients/support/provision.ts";
import { syncDisks } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import { createTopic, NEVER, openClient } from "./client.ts";
import { type ContestantName, KAFKA, Samples } from "./contestants.ts";
import { alternate, type RowGroup } from "./group.ts";

const TIMEOUT_MS = 60_000;
const PROBE_PAUSE_MS = 3;

/** As a person starts it, npm included. */
const npmStart: CommandMaker = ({ directory, port }) => ({
  command: "npm",
  args: ["start", "--", "--data-dir", join(directory, "data"), "--kafka", `127.0.0.1:${port}`],
  readyText: "",
});

interface Starter {
  readonly name: ContestantName;
  readonly command: CommandMaker;
}

const STARTERS: readonly Starter[] = [
  { name: "ours", command: npmStart },
  { name: "kafka", command: KAFKA.command },
];

const NAME = "first ack after start";

/** From the start of the process, on a fresh directory, to the first record acknowledged to a client that tries and tries. */
export const firstAckGroup: RowGroup = {
  rows: [NAME],
  async measure(context) {
    const times = new Samples();
    await alternate(STARTERS, context, {
      measure: startOnce,
      keep: ({ name }, ms) => {
        times.add(name, ms);
        context.say(`${NAME}: ${name} ${rounded(ms)} ms`);
      },
    });
    return [{ name: NAME, unit: "ms", better: "lower", ours: times.of("ours"), reference: times.of("kafka") }];
  },
};

async function startOnce({ command }: Starter): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "millrace-bench-start-"));
  const port = await freePort();
  // Kafka's storage is formatted here, before the clock runs.
  const start = await command({ directory, port, configs: {} }, await freePort());
  await syncDisks();
  const began = performance.now();
  const child = spawnGroup(start);
  try {
    await firstAck(port, began + TIMEOUT_MS);
    return performance.now() - began;
  } finally {
    await endGroup(child);
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Resolves when a record is acknowledged to a client that tries until then; fails as its last try did. */
export async function firstAck(port: number, endMs: number): Promise<void> {
  for (;;) {
    try {
      await using client = openClient({ host: "127.0.0.1", port });
      await createTopic(client, "first", 1);
      const options = { topic: "first", acks: -1, isIdempotent: true, codec: "none", timeoutMs: 1_000 } as const;
      const producer = await TopicProducer.open(client, { ...options, signal: NEVER });
      await producer.append({ timestampMs: Date.now(), key: null, value: Buffer.from("first"), headers: [] });
      await producer.flush();
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await sleep(PROBE_PAUSE_MS);
    }
  }
}

/** A process group of its own: npm's children must end with npm. */
function spawnGroup({ command, args }: BrokerCommand): ChildProcess {
  return spawn(command, args, { cwd: ROOT, detached: true, stdio: "ignore" });
}

async function endGroup(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-pid, "SIGKILL");
  await ended;
}
