import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../clients/support/processes.ts";
import { awsVariables, environmentWithoutAws } from "../cloud.ts";
import { spawnLeashed } from "../leashed.ts";
import { ROOT } from "../paths.ts";
import { freePort } from "../servers/server-process.ts";
import { at, call, ENDPOINT, STORES, TABLE, uniqueName } from "./app.ts";

const MILLRACE = [process.execPath, join(ROOT, "bin/millrace.ts")] as const;
const JSON_V2 = { "content-type": "application/vnd.kafka.json.v2+json" };

describe("a Kafka gateway on the deployed buckets and table", () => {
  let gateway: ChildProcess;
  let address: string;
  let printed = "";

  beforeAll(async () => {
    address = `127.0.0.1:${await freePort()}`;
    const place = ["--journal", `dynamodb://${TABLE}`, ...STORES.flatMap((store) => ["--store", store])];
    gateway = spawnLeashed([...MILLRACE, "serve", "--kafka", address, ...place], {
      cwd: ROOT,
      env: { ...environmentWithoutAws(), ...awsVariables(ENDPOINT) },
      output: "pipe",
    });
    const ready = new Promise<void>((resolve, reject) => {
      for (const output of [gateway.stdout, gateway.stderr]) {
        output?.setEncoding("utf8").on("data", (text: string) => {
          printed += text;
          if (printed.includes(`ready kafka=${address}`)) resolve();
        });
      }
      gateway.once("exit", () => reject(new Error(`the gateway does not start: ${printed}`)));
    });
    await ready;
  });

  afterAll(async () => {
    gateway.kill("SIGTERM");
    gateway.stdin?.end();
    if (gateway.exitCode === null && gateway.signalCode === null) await once(gateway, "exit");
  });

  const millrace = async (args: readonly string[], input = ""): Promise<string> => {
    const [node, program] = MILLRACE;
    const finished = await run(node, [program, ...args, "--bootstrap-server", address], { input });
    if (finished.code !== 0) throw new Error(`millrace ${args.join(" ")}: ${finished.stderr}`);
    return finished.stdout;
  };

  test("consumes what the functions have produced", async () => {
    const topic = uniqueName("from-http");
    const values = ["small", "x".repeat(100_000)];
    for (const value of values) {
      const json = { records: [{ value }] };
      await call(`/topics/${topic}/partitions/0`, { method: "POST", headers: JSON_V2, json });
    }
    const consumed = await millrace(["consume", topic]);
    expect(consumed.trimEnd().split("\n")).toEqual(values.map((value) => JSON.stringify(value)));
  });

  test("produces what the functions fetch", async () => {
    const topic = uniqueName("from-kafka");
    await millrace(["topics", "create", topic, "--partitions", "1"]);
    await millrace(["produce", topic], '"one"\n"two"\n');
    const { status, json } = await call(`/v1/topics/${topic}/partitions/0/records?offset=earliest`);
    expect(status).toBe(200);
    expect(at(json, "next_offset")).toBe(2);
  });

  test("sees a topic that the functions have made, and both write to it in turn", async () => {
    const topic = uniqueName("both");
    for (let round = 0; round < 3; round++) {
      const json = { records: [{ value: `http ${round}` }] };
      const { json: answer } = await call(`/topics/${topic}/partitions/0`, { method: "POST", headers: JSON_V2, json });
      expect(at(answer, "offsets", 0, "offset")).toBe(2 * round);
      await millrace(["produce", topic, "--partition", "0"], `"kafka ${round}"\n`);
    }
    // A function may not have seen the last record yet; who waits for it gets it.
    const last = await call(`/v1/topics/${topic}/partitions/0/records?offset=5&timeout=10000`);
    expect(last).toMatchObject({ status: 200, json: { next_offset: 6 } });
  });
});
