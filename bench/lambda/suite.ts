import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { functionEnvironment } from "#lib/config/function-settings.ts";
import { bundleFunctions, FUNCTION_NAMES } from "../../infra/bundle-functions.ts";
import { eventOf } from "../../test/functions/function-url-event.ts";
import { awsVariables } from "../../test/localstack/cloud.ts";
import { install } from "../../test/localstack/install/install.ts";
import { LambdaEnvironment } from "../../test/localstack/lambda/lambda-environment.ts";
import { runtimeClientCommand } from "../../test/localstack/lambda/runtime-client.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchContext, BenchSuite } from "../support/suite.ts";
import { InstantServices } from "./instant-services.ts";
import { moduleRows } from "./module-rows.ts";

const TOPIC = "bench";
const TABLE = "bench";
const WARM_CALLS = 200;
const EMPTY_FUNCTION = "export const handler = async () => ({ statusCode: 200, body: '' });\n";
const PRODUCE = eventOf({
  method: "POST",
  path: `/topics/${TOPIC}`,
  headers: { "content-type": "application/vnd.kafka.json.v2+json", accept: "application/vnd.kafka.v2+json" },
  body: JSON.stringify({ records: [{ value: "x".repeat(200) }] }),
});

/** Functions as processes under AWS's own runtime client, beside services that take no time. */
export const lambdaSuite: BenchSuite = {
  name: "lambda",
  what: "functions: from a process's start to its first ack, warm acks, and what loading takes, beside an empty function",
  async run(context) {
    await install(["runtime-client"]);
    const directory = mkdtempSync(join(tmpdir(), "millrace-bench-lambda-"));
    try {
      bundleFunctions(directory, process.arch === "arm64" ? "arm64" : "x86_64");
      writeFileSync(join(directory, "empty.mjs"), EMPTY_FUNCTION);
      await using services = await InstantServices.start({ table: TABLE });
      const bench = new LambdaBench(context, directory, services);
      await bench.createTopic();
      return [...(await bench.initRows()), ...(await bench.ackRows()), ...(await moduleRows(context))];
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

class LambdaBench {
  readonly #context: BenchContext;
  readonly #directory: string;
  readonly #variables: Readonly<Record<string, string>>;

  constructor(context: BenchContext, directory: string, services: InstantServices) {
    this.#context = context;
    this.#directory = directory;
    const stores = ["s3://bench-0", "s3://bench-1", "s3://bench-2"];
    this.#variables = {
      ...awsVariables(services.endpoint),
      ...functionEnvironment({ stores, table: TABLE, auth: "none", logLevel: "warn" }),
    };
  }

  /** The first produce makes it; every later process finds it there. */
  async createTopic(): Promise<void> {
    await using environment = this.#environment("produce");
    await this.#ack(environment);
  }

  /** From the process's start until it asks for work: Node, the runtime client, our code. */
  async initRows(): Promise<readonly Measured[]> {
    const rows: Measured[] = [];
    for (const name of FUNCTION_NAMES) {
      const row = `init of ${name}; of an empty function`;
      if (!this.#context.wants(row)) continue;
      const ours = await this.#repeated(() => this.#initMs(name));
      const reference = await this.#repeated(() => this.#initMs("empty"));
      rows.push({ name: row, unit: "ms", better: "lower", ours, reference });
    }
    return rows;
  }

  async ackRows(): Promise<readonly Measured[]> {
    const rows: Measured[] = [];
    const add = async (name: string, measure: (handler: string) => Promise<number>): Promise<void> => {
      if (!this.#context.wants(name)) return;
      const ours = await this.#repeated(() => measure("produce"));
      const reference = await this.#repeated(() => measure("empty"));
      rows.push({ name, unit: "ms", better: "lower", ours, reference });
    };
    await add("start of the process to the first ack; an empty function's answer", (handler) => this.#coldMs(handler));
    await add("ack of a started function's first call; an empty one's", (handler) => this.#firstCallMs(handler));
    await add("warm ack; an empty function's answer", (handler) => this.#warmMs(handler));
    return rows;
  }

  async #repeated(measure: () => Promise<number>): Promise<readonly number[]> {
    const samples: number[] = [];
    for (let repeat = 0; repeat < this.#context.repeats; repeat++) samples.push(await measure());
    return samples;
  }

  async #initMs(handler: string): Promise<number> {
    await using environment = this.#environment(handler);
    await environment.warmUp();
    return environment.initMs ?? Number.NaN;
  }

  async #coldMs(handler: string): Promise<number> {
    await using environment = this.#environment(handler);
    return await this.#ack(environment);
  }

  async #firstCallMs(handler: string): Promise<number> {
    await using environment = this.#environment(handler);
    await environment.warmUp();
    return await this.#ack(environment);
  }

  async #warmMs(handler: string): Promise<number> {
    await using environment = this.#environment(handler);
    const count = this.#context.isSmall ? 5 : WARM_CALLS;
    for (let call = 0; call < count; call++) await this.#ack(environment);
    const startedAtMs = performance.now();
    for (let call = 0; call < count; call++) await this.#ack(environment);
    return (performance.now() - startedAtMs) / count;
  }

  async #ack(environment: LambdaEnvironment): Promise<number> {
    const startedAtMs = performance.now();
    const outcome = await environment.invoke(PRODUCE);
    const tookMs = performance.now() - startedAtMs;
    if (outcome.kind === "failed") throw new Error(`${outcome.errorMessage}\n${environment.log}`);
    const { statusCode, body } = JSON.parse(outcome.body.toString());
    if (statusCode !== 200) throw new Error(`HTTP ${statusCode}: ${body}\n${environment.log}`);
    return tookMs;
  }

  #environment(handler: string): LambdaEnvironment {
    return new LambdaEnvironment({
      command: runtimeClientCommand(),
      directory: this.#directory,
      handler: `${handler}.handler`,
      timeoutMs: 30_000,
      environment: this.#variables,
    });
  }
}
