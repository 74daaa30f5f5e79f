import { lookup } from "node:dns/promises";
import { parseArgs } from "node:util";
import { REGION } from "./cloud.ts";
import { curlLines } from "./curl-lines.ts";
import { createKey, deploy } from "./deploy.ts";
import { install, LOCALSTACK_PARTS } from "./install/install.ts";
import { endWithParent } from "./leashed.ts";
import { LOCALSTACK_PORT, LocalStack } from "./servers/localstack.ts";
import { isPortTaken } from "./servers/server-process.ts";

// The whole system on this machine: LocalStack, and on it the app as it would stand on AWS.

const HELP = `npm run start:localstack -- [options]
  --endpoint URL     deploys to the LocalStack that runs there and ends
  --port PORT        where LocalStack listens (default ${LOCALSTACK_PORT})
  --no-deploy        LocalStack alone
SIGTERM or Ctrl-C ends LocalStack and everything in it; it keeps nothing.
`;

const { values: options } = parseArgs({
  allowNegative: true,
  options: {
    endpoint: { type: "string" },
    port: { type: "string", default: String(LOCALSTACK_PORT) },
    deploy: { type: "boolean", default: true },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  if (options.endpoint !== undefined) {
    await checkEndpoint(options.endpoint);
    await deployAndTell(options.endpoint);
    return;
  }
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`--port ${options.port}: not a port`);
  if (await isPortTaken(port)) {
    const instead = `-- --endpoint http://127.0.0.1:${port} uses a LocalStack that runs there, -- --port N another port`;
    throw new Error(`port ${port} is in use: ${instead}`);
  }
  await install(LOCALSTACK_PARTS);
  console.log("starting LocalStack: 10 s, the first time up to 30 s");
  await using localStack = await LocalStack.start({ port });
  const ends = onSignal();
  if (options.deploy) await Promise.race([deployAndTell(localStack.url), ends]);
  else console.log(`ready ${localStack.url}`);
  const isStopped = await Promise.race([ends.then(() => true), localStack.ended.then(() => false)]);
  if (!isStopped) throw new Error(`LocalStack has ended; its log is ${localStack.logFile}`);
}

async function deployAndTell(endpoint: string): Promise<void> {
  const deployment = await deploy(endpoint);
  const { httpUrl, table, stores } = deployment;
  const key = await createKey(endpoint, deployment);
  const { address } = await lookup(new URL(endpoint).hostname, { family: 4 });
  console.log(`\nready ${httpUrl}`);
  console.log(`API key ${key}`);
  console.log(`table ${table}, stores ${stores.join(" ")}`);
  console.log(`AWS_ENDPOINT_URL=${endpoint}, any credentials, region ${REGION}\n`);
  for (const { what, command } of curlLines({ httpUrl, address, key })) console.log(`# ${what}\n${command}\n`);
}

async function checkEndpoint(endpoint: string): Promise<void> {
  const response = await fetch(new URL("/_localstack/health", endpoint)).catch(() => undefined);
  if (response?.ok !== true) throw new Error(`no LocalStack answers at ${endpoint}`);
}

function onSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}

endWithParent();
await main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
