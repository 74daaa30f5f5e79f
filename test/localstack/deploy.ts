import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { collect, lastLines } from "../clients/support/processes.ts";
import { ACCOUNT, awsVariables, environmentWithoutAws, REGION } from "./cloud.ts";
import { spawnLeashed } from "./leashed.ts";
import { HOME, ROOT } from "./paths.ts";
import { Shell } from "./shell.ts";

const APP = join(ROOT, "infra/app.ts");
const STACK = "millrace-replicated";
const KEY_TIMEOUT_MS = 60_000;
const PROGRESS_EVERY_MS = 10_000;

/** What stands after a deployment, by the outputs of its stack. */
export interface Deployment {
  /** Where clients go. */
  readonly httpUrl: string;
  readonly table: string;
  /** `s3://BUCKET`, by store id from 0. */
  readonly stores: readonly string[];
}

const stackOutputs = z.looseObject({ HttpUrl: z.url(), JournalTable: z.string(), Stores: z.string() });
/** By stack; one is deployed. */
const outputsFile = z.record(z.string(), stackOutputs);

/**
 * Deploys the real app in the profile `replicated`, without the gateway service, as a user would to AWS:
 * `cdk bootstrap`, then `cdk deploy`. Doing it again is an update.
 */
export async function deploy(endpoint: string, print: (line: string) => void = console.log): Promise<Deployment> {
  if (!existsSync(APP)) throw new Error("nothing to deploy: infra/app.ts is not there");
  const shell = new Shell({
    logFile: join(HOME, "deploy.log"),
    cwd: HOME,
    environment: { ...environmentWithoutAws(), ...awsVariables(endpoint), ...CDK_VARIABLES },
  });
  const cdk = join(ROOT, "node_modules/.bin/cdk");
  // Named environments need no app, and not to make one saves its time.
  await step("bootstrap", { shell, print }, [cdk, "bootstrap", `aws://${ACCOUNT}/${REGION}`]);
  const outputs = join(HOME, "outputs.json");
  // Functions run as processes of this machine, with its binaries beside them.
  const architecture = process.arch === "arm64" ? "arm64" : "x86_64";
  const context = ["profiles=replicated", "gatewayBrokers=0", `architecture=${architecture}`].flatMap((each) => [
    "-c",
    each,
  ]);
  const app = ["--app", `${process.execPath} ${APP}`, "--output", join(HOME, "cdk.out"), ...context];
  const flags = [STACK, "--require-approval", "never", "--outputs-file", outputs];
  await step("deploy", { shell, print }, [cdk, "deploy", ...app, ...flags]);
  return readOutputs(readFileSync(outputs, "utf8"));
}

const CDK_VARIABLES = {
  CI: "1",
  NO_COLOR: "1",
  CDK_DISABLE_VERSION_CHECK: "1",
  CDK_CLI_TELEMETRY: "0",
  CDK_HOME: join(HOME, "cdk"),
};

async function step(
  name: string,
  { shell, print }: { shell: Shell; print: (line: string) => void },
  command: readonly string[],
): Promise<void> {
  const startedAtMs = performance.now();
  const seconds = (): string => `${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s`;
  const ticker = setInterval(
    () => print(`cdk ${name}: ${seconds()}, ${shell.lastLine.slice(0, 90)}`),
    PROGRESS_EVERY_MS,
  );
  await shell.run(command).finally(() => clearInterval(ticker));
  print(`cdk ${name}: done in ${seconds()}`);
}

export function readOutputs(json: string): Deployment {
  const [outputs] = Object.values(outputsFile.parse(JSON.parse(json)));
  if (outputs === undefined) throw new Error("no stack was deployed");
  return { httpUrl: outputs.HttpUrl, table: outputs.JournalTable, stores: outputs.Stores.split(",") };
}

/** The first key of a deployment, made as an administrator does who may write its table. */
export async function createKey(
  endpoint: string,
  { table, stores }: Pick<Deployment, "table" | "stores">,
): Promise<string> {
  const command = [join(ROOT, "bin/millrace.ts"), "keys", "create", "local", "--admin"];
  const place = ["--journal", `dynamodb://${table}`, ...stores.flatMap((store) => ["--store", store])];
  const child = spawnLeashed([process.execPath, ...command, ...place], {
    env: { ...environmentWithoutAws(), ...awsVariables(endpoint) },
    output: "pipe",
  });
  const finished = await collect(child, KEY_TIMEOUT_MS);
  const key = finished.stdout.trim();
  if (finished.code !== 0 || key === "") throw new Error(`no key could be made: ${lastLines(finished.stderr)}`);
  return key;
}
