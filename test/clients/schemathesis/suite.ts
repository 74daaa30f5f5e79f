import { equal } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastLines, run } from "../support/processes.ts";
import { CACHE, ROOT } from "../support/provision.ts";
import { SkippedError, type Suite } from "../support/suite.ts";

const VERSION = "4.32.5";
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const RUN_TIMEOUT_MS = 30 * 60_000;
/** Requests made up for each operation, in each phase. */
const EXAMPLES = 10;
const NIGHTLY_EXAMPLES = 300;

/**
 * Requests made up from the OpenAPI document, right ones and wrong ones; every answer must be one that the document names,
 * in its form. Event streams are left out: they do not end.
 */
export const schemathesisSuite: Suite = {
  name: "schemathesis",
  budgetMinutes: 3,
  nightlyBudgetMinutes: 20,
  what: "the HTTP door against its own OpenAPI document",
  async run(facts, { target, isNightly }) {
    // Kafka has no HTTP door.
    if (target === "kafka") return;
    const command = await provideSchemathesis();
    const directory = mkdtempSync(join(tmpdir(), "millrace-schemathesis-"));
    const { url, clusterId, stop } = await startServer(directory);
    try {
      await facts.check("every route answers as the document says", async () => {
        const examples = isNightly ? NIGHTLY_EXAMPLES : EXAMPLES;
        const config = join(ROOT, "test/clients/schemathesis/schemathesis.toml");
        const args = ["--config-file", config, "run", `${url}/openapi.json`, "--url", url, "--no-color"];
        // One worker: two threads of Python up to 3.11.7 trip over each other in its parser (CPython issue 106905).
        const more = ["--max-examples", String(examples), "--workers", "1", "--seed", isNightly ? randomSeed() : "1"];
        // It keeps what failed in its working directory.
        const env = { MILLRACE_CLUSTER_ID: clusterId };
        const options = { timeoutMs: RUN_TIMEOUT_MS, cwd: directory, env };
        const { code, stdout, stderr } = await run(command, [...args, ...more], options);
        if (code !== 0) console.log(stdout);
        equal(code, 0, lastLines(stdout + stderr));
      });
    } finally {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** The program, in a virtual environment of its own. */
async function provideSchemathesis(): Promise<string> {
  const home = join(CACHE, `schemathesis-${VERSION}`);
  const command = join(home, "bin/schemathesis");
  if (existsSync(command)) return command;
  const made = await run("python3", ["-m", "venv", home], { timeoutMs: INSTALL_TIMEOUT_MS });
  if (made.code !== 0) throw new SkippedError(`no Python with venv on this machine: ${lastLines(made.stderr)}`);
  const args = ["install", "--quiet", "--disable-pip-version-check", `schemathesis==${VERSION}`];
  const installed = await run(join(home, "bin/pip"), args, { timeoutMs: INSTALL_TIMEOUT_MS });
  if (installed.code === 0) return command;
  rmSync(home, { recursive: true, force: true });
  throw new SkippedError(`pip cannot install schemathesis ${VERSION}: ${lastLines(installed.stderr)}`);
}

interface StartedServer {
  readonly url: string;
  readonly clusterId: string;
  stop(): Promise<void>;
}

async function startServer(directory: string): Promise<StartedServer> {
  const doors = ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];
  const args = [join(ROOT, "bin/millrace.ts"), "serve", "--data-dir", join(directory, "data"), ...doors];
  const child = spawn(process.execPath, [...args, "--log-level", "error"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const ready = new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const [, address] = /^ready .*http=(\S+)$/m.exec(text) ?? [];
      if (address !== undefined) resolve(address);
    });
    child.once("exit", (code) => reject(new Error(`millrace ended with ${code} before it was ready`)));
  });
  const url = `http://${await ready}`;
  const headers = { "content-type": "application/vnd.kafka.json.v2+json" };
  const post = (path: string, body: string) => fetch(`${url}${path}`, { method: "POST", headers, body });
  await post("/topics/orders", '{"records":[{"value":1}]}');
  await post("/consumers/billing", '{"name":"worker-1"}');
  const partitions = '{"partitions":[{"topic":"orders","partition":0}]}';
  await post("/consumers/billing/instances/worker-1/assignments", partitions);
  const clusters = await (await fetch(`${url}/v3/clusters`)).text();
  const [, clusterId = ""] = /"cluster_id":"([^"]+)"/.exec(clusters) ?? [];
  return {
    url,
    clusterId,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function randomSeed(): string {
  return String(Math.floor(Math.random() * 1_000_000));
}
