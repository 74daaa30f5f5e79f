import { join } from "node:path";
import { describe } from "../clients/support/suite.ts";
import { awsVariables, environmentWithoutAws } from "./cloud.ts";
import { createKey, deploy } from "./deploy.ts";
import { install } from "./install/install.ts";
import { spawnLeashed } from "./leashed.ts";
import { ROOT } from "./paths.ts";
import { LOCALSTACK_PORT, LocalStack } from "./servers/localstack.ts";
import { MiniStack } from "./servers/ministack.ts";
import { freePort, isPortTaken } from "./servers/server-process.ts";
import { Versitygw } from "./servers/versitygw.ts";
import { INSTALLED_FOR, type Target, type TestPart } from "./test-parts.ts";

interface PartResult {
  readonly part: TestPart;
  readonly minutes: number;
  readonly passed: number;
  readonly failed: number;
}

const CLOSING_LINE = /^(\d+) passed, (\d+) failed$/gm;

/** Runs parts one after another and keeps LocalStack between them. */
export class TestRun implements AsyncDisposable {
  readonly #endpoint: string | undefined;
  readonly #results: PartResult[] = [];
  #localStack: LocalStack | undefined;

  constructor(endpoint: string | undefined) {
    this.#endpoint = endpoint;
  }

  get passed(): number {
    return this.#results.reduce((sum, { passed }) => sum + passed, 0);
  }

  get failed(): number {
    return this.#results.reduce((sum, { failed }) => sum + failed, 0);
  }

  async run(part: TestPart): Promise<void> {
    console.log(`\n=== ${part.name}: ${part.what} (budget ${part.budgetMinutes} min)`);
    const startedAtMs = performance.now();
    const counts = await this.#run(part).catch((error: unknown) => {
      console.log(`FAIL ${part.name}: ${describe(error)}`);
      return { passed: 0, failed: 1 };
    });
    const result = { part, minutes: (performance.now() - startedAtMs) / 60_000, ...counts };
    this.#results.push(result);
    console.log(row(result));
  }

  table(): string {
    return this.#results.map((result) => `${row(result)}\n`).join("");
  }

  /** Until LocalStack ends, or this process. */
  async keep(): Promise<void> {
    if (this.#localStack === undefined) return;
    console.log(`LocalStack stays at ${this.#localStack.url} until this command is ended`);
    await this.#localStack.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#localStack?.[Symbol.asyncDispose]();
  }

  async #run(part: TestPart): Promise<{ readonly passed: number; readonly failed: number }> {
    const isOwn = this.#endpoint === undefined || !["localstack", "deployed"].includes(part.target);
    await install(isOwn ? INSTALLED_FOR[part.target] : ["runtime-client"]);
    await using servers = new AsyncDisposableStack();
    const variables = await this.#start(part.target, servers);
    return await runVitest(part, variables);
  }

  /** Answers the variables by which the tests find what was started. */
  async #start(target: Target, servers: AsyncDisposableStack): Promise<Readonly<Record<string, string>>> {
    switch (target) {
      case "nothing":
        return {};
      case "localstack":
        return awsVariables(await this.#localStackUrl());
      case "ministack":
        return awsVariables(servers.use(await MiniStack.start()).url);
      case "versitygw": {
        // It knows no tables: tests that need one are left out without the address of DynamoDB.
        const { AWS_ENDPOINT_URL, ...shared } = awsVariables(servers.use(await Versitygw.start()).url);
        return {
          ...shared,
          AWS_ENDPOINT_URL_S3: AWS_ENDPOINT_URL,
          AWS_ACCESS_KEY_ID: Versitygw.accessKeyId,
          AWS_SECRET_ACCESS_KEY: Versitygw.secretAccessKey,
        };
      }
      case "deployed": {
        const endpoint = await this.#localStackUrl();
        const { httpUrl, table, stores } = await deploy(endpoint);
        return {
          ...awsVariables(endpoint),
          DEPLOYED_URL: httpUrl,
          DEPLOYED_KEY: await createKey(endpoint, { table, stores }),
          DEPLOYED_TABLE: table,
          DEPLOYED_STORES: stores.join(","),
        };
      }
    }
  }

  async #localStackUrl(): Promise<string> {
    if (this.#endpoint !== undefined) return this.#endpoint;
    if (this.#localStack === undefined) {
      const startedAtMs = performance.now();
      const port = (await isPortTaken(LOCALSTACK_PORT)) ? await freePort() : LOCALSTACK_PORT;
      this.#localStack = await LocalStack.start({ port });
      const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
      console.log(`LocalStack is ready at ${this.#localStack.url} after ${seconds} s`);
    }
    return this.#localStack.url;
  }
}

async function runVitest(
  part: TestPart,
  variables: Readonly<Record<string, string>>,
): Promise<{ readonly passed: number; readonly failed: number }> {
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const command = [process.execPath, vitest, "run", "--project", "localstack", ...part.paths];
  const child = spawnLeashed(command, { cwd: ROOT, env: { ...environmentWithoutAws(), ...variables }, output: "pipe" });
  let printed = "";
  for (const output of [child.stdout, child.stderr]) {
    output?.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      process.stdout.write(text);
    });
  }
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
  });
  const [, passed, failed] = [...printed.matchAll(CLOSING_LINE)].at(-1) ?? [];
  if (passed === undefined || failed === undefined) throw new Error(`Vitest ended with ${status} and no result`);
  // A run that fails without a failed test has broken off.
  const isBrokenOff = status !== 0 && Number(failed) === 0;
  return { passed: Number(passed), failed: isBrokenOff ? 1 : Number(failed) };
}

function row({ part, minutes, passed, failed }: PartResult): string {
  const time = `${minutes.toFixed(1)} of ${part.budgetMinutes} min`;
  const note = minutes > part.budgetMinutes ? "  over its budget" : "";
  return `${part.name.padEnd(12)} ${time.padStart(14)}  ${String(passed).padStart(4)} passed  ${failed} failed${note}`;
}
