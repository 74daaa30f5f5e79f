import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { createJournalTable } from "#lib/adapters/aws/create-table.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { type FunctionEnvironment, functionEnvironment } from "#lib/config/function-settings.ts";
import { InstantServices } from "../../bench/lambda/instant-services.ts";
import { bundleFunctions, type FunctionName } from "../../infra/bundle-functions.ts";
import { awsVariables, REGION } from "../localstack/cloud.ts";
import { LambdaEnvironment, type LambdaEnvironmentOptions } from "../localstack/lambda/lambda-environment.ts";
import { runtimeClientCommand } from "../localstack/lambda/runtime-client.ts";
import { eventOf, type SentRequest } from "./function-url-event.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Parsed, where the body is JSON. */
  readonly json: unknown;
}

/**
 * The bundle as it is deployed, on a table and buckets of its own: at `AWS_ENDPOINT_URL`, or without one at services in
 * memory.
 */
export class DeployedFunctions implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "millrace-functions-"));
  readonly table: string;
  readonly #endpoint: string;
  readonly #variables: Readonly<Record<string, string>>;
  readonly #services: AsyncDisposable | undefined;

  private constructor(endpoint: string, given: FunctionEnvironment, services: AsyncDisposable | undefined) {
    this.#endpoint = endpoint;
    this.#services = services;
    this.table = given.table;
    this.#variables = { ...awsVariables(endpoint), ...functionEnvironment(given) };
    bundleFunctions(this.directory, process.arch === "arm64" ? "arm64" : "x86_64");
  }

  static async make(name: string, options: Partial<FunctionEnvironment> = {}): Promise<DeployedFunctions> {
    const table = `${name}-${Date.now().toString(36)}`;
    const buckets = [0, 1, 2].map((storeId) => `${table}-${storeId}`);
    const given = process.env["AWS_ENDPOINT_URL"];
    const services = given === undefined ? await InstantServices.start({ table }) : undefined;
    if (given !== undefined) await makeResources(given, { table, buckets });
    const stores = buckets.map((bucket) => `s3://${bucket}`);
    const environment = { stores, table, auth: "none", logLevel: "debug", ...options } as const;
    return new DeployedFunctions(given ?? services?.endpoint ?? "", environment, services);
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  /** An execution environment of one function; nothing runs in it before its first call. */
  environment(
    name: FunctionName,
    options: Partial<Omit<LambdaEnvironmentOptions, "environment">> & {
      readonly variables?: Readonly<Record<string, string>>;
    } = {},
  ): FunctionEnvironmentUnderTest {
    const { variables, ...rest } = options;
    const environment = new LambdaEnvironment({
      command: runtimeClientCommand(),
      directory: this.directory,
      handler: `${name}.handler`,
      name,
      timeoutMs: 60_000,
      environment: { ...this.#variables, ...variables },
      ...rest,
    });
    return new FunctionEnvironmentUnderTest(environment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
    await this.#services?.[Symbol.asyncDispose]();
  }
}

async function makeResources(
  endpoint: string,
  { table, buckets }: { readonly table: string; readonly buckets: readonly string[] },
): Promise<void> {
  const where = { endpoint, region: REGION };
  const s3 = newS3Client(where);
  await Promise.all(buckets.map((Bucket) => s3.send(new CreateBucketCommand({ Bucket }))));
  s3.destroy();
  const client = newDynamoDbClient(where);
  await createJournalTable({ client, table, clock: new SystemClock() }, AbortSignal.timeout(30_000));
  client.destroy();
}

export class FunctionEnvironmentUnderTest implements AsyncDisposable {
  readonly lambda: LambdaEnvironment;

  constructor(lambda: LambdaEnvironment) {
    this.lambda = lambda;
  }

  /** One request as a function URL brings it. */
  async request(request: SentRequest): Promise<HttpAnswer> {
    const { statusCode, headers, body, isBase64Encoded } = await this.#call(eventOf(request));
    const text = isBase64Encoded ? Buffer.from(body, "base64").toString("latin1") : body;
    const isJson = /json/.test(headers["content-type"] ?? "");
    return { status: statusCode, headers, body: text, json: isJson ? JSON.parse(text) : undefined };
  }

  /** One call as the schedule makes it. */
  async scheduled(event: unknown = { source: "aws.events" }): Promise<unknown> {
    return await this.#call(event);
  }

  async #call(event: unknown) {
    const outcome = await this.lambda.invoke(event);
    if (outcome.kind === "failed") {
      throw new Error(`${outcome.errorType}: ${outcome.errorMessage}\n${this.lambda.log}`);
    }
    return JSON.parse(outcome.body.toString());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lambda[Symbol.asyncDispose]();
  }
}
