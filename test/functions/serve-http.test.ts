import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "aws-lambda";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { functionEnvironment } from "#lib/config/function-settings.ts";
import { V2_PRODUCE_ROUTES } from "#lib/http/routes/v2-produce.ts";
import { InstantServices } from "../../bench/lambda/instant-services.ts";
import type { HttpEvent, HttpResult } from "../../functions/http-event.ts";
import { awsVariables } from "../localstack/cloud.ts";
import { eventOf } from "./function-url-event.ts";

// In this process, without Lambda's runtime: what the handler itself makes of odd calls.

const LATE_MS = 60;

let services: InstantServices;
let slowBucket: Server;
/** Objects that the slow bucket has. */
let latePuts = 0;
let handler: (event: HttpEvent, context: Context) => Promise<HttpResult>;

beforeAll(async () => {
  services = await InstantServices.start({ table: "journals" });
  slowBucket = await startSlowBucket(services.endpoint);
  const address = slowBucket.address();
  const slow = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const stores = ["s3://store-0", "s3://store-1", `s3://store-2?endpoint=${slow}`];
  const environment = functionEnvironment({ stores, table: "journals", auth: "none" });
  for (const [name, value] of Object.entries({ ...awsVariables(services.endpoint), ...environment })) {
    vi.stubEnv(name, value);
  }
  const { serveHttp } = await import("../../functions/serve-http.ts");
  handler = await serveHttp("test", async () => V2_PRODUCE_ROUTES);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  slowBucket.closeAllConnections();
  slowBucket.close();
  await services[Symbol.asyncDispose]();
});

/** Hands every request on, the puts a little late. Where either side goes away, the other sees its connection end. */
async function startSlowBucket(endpoint: string): Promise<Server> {
  const handOn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "GET", headers, url = "/" } = request;
    if (method === "PUT") await sleep(LATE_MS);
    const passed = httpRequest(endpoint + url, { method, headers }, (answer) => {
      if (method === "PUT") latePuts++;
      answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers));
    });
    passed.on("error", () => response.destroy());
    passed.end(Buffer.concat(chunks));
  };
  const server = createServer((request, response) => void handOn(request, response).catch(() => response.destroy()));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

async function makeTopic(name: string): Promise<void> {
  const { json } = await call({ path: "/v3/clusters" });
  const path = `/v3/clusters/${json.data[0].cluster_id}/topics`;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ topic_name: name });
  expect(await call({ method: "POST", path, headers, body })).toMatchObject({ status: 201 });
}

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
  await makeTopic("clicks");
  const read = { path: "/v1/topics/clicks/partitions/0/records", query: "offset=0&timeout=20000" };
  expect(await call(read, 1_300)).toMatchObject({ status: 504, json: { error_code: 50401 } });
});

test("a copy that is a little late is there when the call ends: nothing goes on behind an answer", async () => {
  await makeTopic("large");
  const value = Buffer.alloc(40_000, 1).toString("base64");
  const headers = { "content-type": "application/vnd.kafka.binary.v2+json" };
  const body = JSON.stringify({ records: [{ value }] });
  const putsBefore = latePuts;
  expect(await call({ method: "POST", path: "/topics/large", headers, body })).toMatchObject({ status: 200 });
  expect(latePuts - putsBefore).toBe(1);
});

test("starts that fail leave no connections behind", async () => {
  vi.stubEnv("MILLRACE_TABLE", "missing");
  const { serveHttp } = await import("../../functions/serve-http.ts");
  const broken = await serveHttp("broken", async () => V2_PRODUCE_ROUTES);
  const context = { getRemainingTimeInMillis: () => 60_000 } as Context;
  const connections = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  await sleep(50);
  const before = connections();
  for (let count = 0; count < 5; count++) {
    expect(await broken(eventOf({ path: "/topics" }), context)).toMatchObject({ statusCode: 503 });
  }
  await sleep(50);
  expect(connections()).toBeLessThanOrEqual(before);
});

test("buckets in another order, or fewer of them, are refused before anything is written", async () => {
  const { serveHttp } = await import("../../functions/serve-http.ts");
  const context = { getRemainingTimeInMillis: () => 60_000 } as Context;
  vi.stubEnv("MILLRACE_TABLE", "journals");
  const given = process.env["MILLRACE_STORES"] ?? "";
  for (const stores of [given.split(",").toReversed(), given.split(",").slice(0, 2)]) {
    vi.stubEnv("MILLRACE_STORES", stores.join(","));
    const moved = await serveHttp("moved", async () => V2_PRODUCE_ROUTES);
    const { statusCode, body = "" } = await moved(eventOf({ path: "/topics" }), context);
    expect({ statusCode, body }).toMatchObject({ statusCode: 503, body: expect.stringMatching(/is store \d/) });
  }
  vi.stubEnv("MILLRACE_STORES", given);
});
