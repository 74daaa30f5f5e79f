import {
  type FunctionConfiguration,
  GetFunctionUrlConfigCommand,
  InvokeCommand,
  LambdaClient,
  paginateListFunctions,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { callUrl, REGION, type UrlRequest } from "../cloud.ts";

// What the tests of the deployed app share. `npm run test:localstack -- --only deployed` deploys it and sets the variables.

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set; these tests are run by npm run test:localstack`);
  return value;
}

export const ENDPOINT = variable("AWS_ENDPOINT_URL");
export const APP_URL = variable("DEPLOYED_URL");
export const KEY = variable("DEPLOYED_KEY");
export const TABLE = variable("DEPLOYED_TABLE");
/** `s3://BUCKET`, by store id from 0. */
export const STORES: readonly string[] = variable("DEPLOYED_STORES").split(",");

export interface JsonAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly json: unknown;
}

export interface AppRequest extends UrlRequest {
  readonly json?: unknown;
  /** Of one function, in place of the app's. */
  readonly url?: string;
  /** The answer is one JSON text a line, and becomes their list. */
  readonly inLines?: boolean;
}

/** Calls the deployed app by its URL, with the key of this run unless the headers say otherwise. */
export async function call(path: string, options: AppRequest = {}): Promise<JsonAnswer> {
  const { json, url = APP_URL, inLines = false, ...request } = options;
  const response = await callUrl(ENDPOINT, new URL(path, url).href, {
    ...request,
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...options.headers },
  });
  const text = response.body.toString();
  const contentType = response.headers["content-type"] ?? "";
  // A function URL gives answers without a body a content type of its own.
  const isJson = contentType.includes("json") && text !== "";
  const parsed = (): unknown =>
    inLines
      ? text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line))
      : JSON.parse(text);
  return { status: response.status, contentType, json: isJson ? parsed() : text };
}

/** The value at a path of names and indexes in an answer, whatever it is. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const name of path) {
    found = typeof found === "object" && found !== null ? Reflect.get(found, name) : undefined;
  }
  return found;
}

let names = 0;
/** A name that no other test and no other run has. */
export const uniqueName = (prefix: string): string => `${prefix}-${process.pid}-${Date.now().toString(36)}-${names++}`;

export function newLambdaClient(): LambdaClient {
  return new LambdaClient({
    endpoint: ENDPOINT,
    region: REGION,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
}

/** The app's own functions; CDK's helpers are not among them. */
export async function functionsOf(client: LambdaClient): Promise<readonly FunctionConfiguration[]> {
  const functions: FunctionConfiguration[] = [];
  for await (const page of paginateListFunctions({ client }, {})) functions.push(...(page.Functions ?? []));
  return functions.filter((each) => each.Environment?.Variables?.["MILLRACE_TABLE"] === TABLE);
}

/** A function that serves the app over a URL of its own, in environments of its own. */
export interface Door {
  readonly functionName: string;
  readonly url: string;
}

export async function doorsOf(client: LambdaClient, ...names: readonly string[]): Promise<readonly Door[]> {
  const functions = await functionsOf(client);
  return await Promise.all(
    names.map(async (name) => {
      const FunctionName = functions.find(({ Handler }) => Handler === `${name}.handler`)?.FunctionName;
      if (FunctionName === undefined) throw new Error(`there is no function ${name}`);
      const { FunctionUrl = "" } = await client.send(new GetFunctionUrlConfigCommand({ FunctionName }));
      return { functionName: FunctionName, url: FunctionUrl };
    }),
  );
}

/** Ends all environments of a function, whatever they hold, as every change of its configuration does. */
export async function discardEnvironments(client: LambdaClient, functionName: string): Promise<void> {
  const Description = `Environments from ${new Date().toISOString()} on`;
  await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: functionName, Description }));
  await waitUntilFunctionUpdatedV2({ client, maxWaitTime: 60, minDelay: 1 }, { FunctionName: functionName });
}

/** The log streams of a function: one for each environment that has answered a call. */
export async function environmentsOf(functionName: string): Promise<readonly string[]> {
  const input = { logGroupName: `/aws/lambda/${functionName}` };
  const { logStreams } = Object.assign(
    { logStreams: [] },
    await callService("Logs_20140328.DescribeLogStreams", "application/x-amz-json-1.1", input),
  );
  return logStreams.map((stream) => String(at(stream, "logStreamName")));
}

export interface Invoked {
  /** What kind of error the handler ended with, if it did. */
  readonly error: string | undefined;
  readonly payload: unknown;
}

/** Calls a function as its schedule does, and waits for it. */
export async function invoke(client: LambdaClient, functionName: string, event: unknown): Promise<Invoked> {
  const answer = await client.send(new InvokeCommand({ FunctionName: functionName, Payload: JSON.stringify(event) }));
  const text = Buffer.from(answer.Payload ?? []).toString();
  return { error: answer.FunctionError, payload: text === "" ? undefined : JSON.parse(text) };
}

/** Calls one of AWS's JSON services for which no client is installed. */
export async function callService(target: string, contentType: string, input: unknown): Promise<unknown> {
  const service = target.startsWith("Logs_") ? "logs" : "events";
  const scope = `Credential=test/20260101/${REGION}/${service}/aws4_request`;
  const response = await fetch(ENDPOINT, {
    method: "POST",
    body: JSON.stringify(input),
    headers: {
      "content-type": contentType,
      "x-amz-target": target,
      authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=none`,
    },
  });
  if (!response.ok) throw new Error(`${target} answered ${response.status}: ${await response.text()}`);
  return await response.json();
}
