import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runtimeClientCommand } from "../lambda/runtime-client.ts";
import { HOME, PARTS, plainEnvironment, SOURCES } from "../paths.ts";
import { freePort, isPortTaken, ServerProcess } from "./server-process.ts";

export const LOCALSTACK_PORT = 4566;
const READY_TIMEOUT_MS = 120_000;

const SERVICES = [
  ...["s3", "dynamodb", "dynamodbstreams", "lambda", "events", "sqs", "sns"],
  ...["logs", "cloudwatch", "cloudformation", "iam", "sts", "ssm", "kms"],
];

export interface LocalStackOptions {
  /** A free one if absent. */
  readonly port?: number;
  /** Where its DynamoDB Local listens; a free port if absent. Going there directly is five to ten times as fast. */
  readonly dynamoDbPort?: number;
  /** More of LocalStack's own settings, such as DYNAMODB_WRITE_ERROR_PROBABILITY. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** LocalStack as a plain process, without Docker. All its state is in memory and ends with it. */
export class LocalStack implements AsyncDisposable {
  readonly #server: ServerProcess;
  readonly url: string;
  readonly port: number;
  readonly logFile: string;

  private constructor(server: ServerProcess, options: { port: number; logFile: string }) {
    this.#server = server;
    this.port = options.port;
    this.url = `http://127.0.0.1:${options.port}`;
    this.logFile = options.logFile;
  }

  /** Needs `install(["localstack", "dynamodb-local", "runtime-client"])`. Resolves when every service answers. */
  static async start(options: LocalStackOptions = {}): Promise<LocalStack> {
    const port = options.port ?? (await freePort());
    if (await isPortTaken(port)) throw new Error(`port ${port} is in use`);
    const directory = join(HOME, `run-${port}`);
    const temporary = join(directory, "tmp");
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(temporary, { recursive: true });
    const logFile = join(directory, "localstack.log");
    const python = join(PARTS.localstack, "venv/bin/python");
    const server = ServerProcess.start({
      name: "LocalStack",
      command: [python, "-W", "ignore", join(SOURCES, "python/run_localstack.py")],
      environment: { ...plainEnvironment(), ...settings(port, directory), ...options.settings, ...dynamoDb(options) },
      cwd: directory,
      logFile,
    });
    const localStack = new LocalStack(server, { port, logFile });
    await server.untilReady(() => isReady(localStack.url), READY_TIMEOUT_MS);
    return localStack;
  }

  get ended(): Promise<void> {
    return this.#server.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

async function isReady(url: string): Promise<boolean> {
  const response = await fetch(`${url}/_localstack/init`, { signal: AbortSignal.timeout(2_000) });
  const status: unknown = await response.json();
  return JSON.stringify(status).includes('"READY":true');
}

function dynamoDb({ dynamoDbPort }: LocalStackOptions): Record<string, string> {
  return dynamoDbPort === undefined ? {} : { DYNAMODB_LOCAL_PORT: String(dynamoDbPort) };
}

function settings(port: number, directory: string): Record<string, string> {
  return {
    GATEWAY_LISTEN: `127.0.0.1:${port}`,
    // It names the hosts in function URLs, which may not be addresses.
    LOCALSTACK_HOST: `localhost:${port}`,
    SERVICES: SERVICES.join(","),
    EAGER_SERVICE_LOADING: "1", // Else it is ready before its services are.
    LS_LOG: "warn",
    // All its files stay in the cache, even where it guesses that it lives in a container.
    OVERRIDE_IN_DOCKER: "0",
    FILESYSTEM_ROOT: join(directory, "root"),
    XDG_CACHE_HOME: join(PARTS.localstack, "cache"),
    MILLRACE_TEMPORARY: join(directory, "tmp"),
    // No name server, no download of a certificate, no report of its use.
    DNS_ADDRESS: "0",
    SKIP_SSL_CERT_DOWNLOAD: "1",
    DISABLE_EVENTS: "1",
    DYNAMODB_IN_MEMORY: "1",
    MILLRACE_DYNAMODB_LOCAL: PARTS["dynamodb-local"],
    PROVIDER_OVERRIDE_DYNAMODBSTREAMS: "v2", // From DynamoDB Local, not through a Kinesis server that it would download.
    LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT: "90", // More than the executor's own limit, which says what was wrong.
    MILLRACE_RUNTIME_CLIENT: JSON.stringify(runtimeClientCommand()),
  };
}
