import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { createJournalTable } from "#lib/adapters/aws/create-table.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { type FunctionEnvironment, functionEnvironment } from "#lib/config/function-settings.ts";
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

/** The bundle as it is deployed, on a table and buckets of its own at `AWS_ENDPOINT_URL`. */
export class DeployedFunctions implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "millrace-functions-"));
  readonly table: string;
  readonly #endpoint: string;
  readonly #variables: Readonly<Record<string, string>>;

  private constructor(endpoint: string, given: FunctionEnvironment) {
    this.#endpoint = endpoint;
    this.table = given.table;
    this.#variables = { ...awsVariables(endpoint), ...functionEnvironment(given) };
    bundleFunctions(this.directory, process.arch === "arm64" ? "arm64" : "x86_64");
  }

  static async make(name: string, options: Partial<FunctionEnvironment> = {}): Promise<DeployedFunctions> {
    const endpoint = process.env["AWS_ENDPOINT_URL"];
    if (endpoint === undefined) throw new Error("AWS_ENDPOINT_URL is not set; npm run test:localstack sets it");
    const id = `${name}-${Date.now().toString(36)}`;
    const buckets = [0, 1, 2].map((storeId) => `${id}-${storeId}`);
    const s3 = newS3Client({ endpoint, region: REGION });
    await Promise.all(buckets.map((Bucket) => s3.send(new CreateBucketCommand({ Bucket }))));
    s3.destroy();
    const client = newDynamoDbClient({ endpoint, region: REGION });
    await createJournalTable({ client, table: id, clock: new SystemClock() }, AbortSignal.timeout(30_000));
    client.destroy();
    const stores = buckets.map((bucket) => `s3://${bucket}`);
    return new DeployedFunctions(endpoint, { stores, table: id, auth: "none", logLevel: "debug", ...options });
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

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
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
