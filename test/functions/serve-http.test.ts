import type { Context } from "aws-lambda";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { functionEnvironment } from "#lib/config/function-settings.ts";
import { InstantServices } from "../../bench/lambda/instant-services.ts";
import type { HttpEvent, HttpResult } from "../../functions/http-event.ts";
import { awsVariables } from "../localstack/cloud.ts";
import { eventOf } from "./function-url-event.ts";

// In this process, without Lambda's runtime: what the handler itself makes of odd calls.

let services: InstantServices;
let handler: (event: HttpEvent, context: Context) => Promise<HttpResult>;

beforeAll(async () => {
  services = await InstantServices.start({ table: "journals" });
  const environment = functionEnvironment({ stores: ["s3://records"], table: "journals", auth: "none" });
  for (const [name, value] of Object.entries({ ...awsVariables(services.endpoint), ...environment })) {
    vi.stubEnv(name, value);
  }
  const { serveHttp } = await import("../../functions/serve-http.ts");
  handler = await serveHttp("test");
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await services[Symbol.asyncDispose]();
});

/** A call that Lambda ends after `ms`. */
async function call(request: Parameters<typeof eventOf>[0], ms = 60_000) {
  const context = { getRemainingTimeInMillis: () => ms } as Context;
  const { statusCode, body = "" } = await handler(eventOf(request), context);
  return { status: statusCode, json: body === "" ? undefined : JSON.parse(body) };
}

test("a request that is none is refused, and the function lives on", async () => {
  expect(await call({ method: "TRACE", path: "/topics" })).toMatchObject({ status: 400, json: { error_code: 40002 } });
  expect(await call({ path: "/topics" })).toEqual({ status: 200, json: [] });
});

test("a call that runs out of time is answered before Lambda ends it, with a body that says so", async () => {
  const topic = { topic_name: "clicks" };
  const { json } = await call({ path: "/v3/clusters" });
  const path = `/v3/clusters/${json.data[0].cluster_id}/topics`;
  const headers = { "content-type": "application/json" };
  expect(await call({ method: "POST", path, headers, body: JSON.stringify(topic) })).toMatchObject({ status: 201 });
  const read = { path: "/v1/topics/clicks/partitions/0/records", query: "offset=0&timeout=20000" };
  expect(await call(read, 1_300)).toMatchObject({ status: 504, json: { error_code: 50401 } });
  expect(await call({ path: "/topics" }, 1_000)).toMatchObject({ status: 504, json: { error_code: 50401 } });
});
