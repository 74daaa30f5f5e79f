import { expect, test } from "vitest";
import type { HttpAuthenticator, HttpPrincipal } from "#lib/http/access.ts";
import { HttpError } from "#lib/http/http-error.ts";
import { base64, HttpWorld } from "./http-world.ts";

test("healthz says ok, and 503 once the process stops", async () => {
  await using world = await HttpWorld.start();
  expect((await world.json("/healthz")).body).toEqual({ status: "ok" });
  world.stop();
  expect((await world.json("/healthz")).status).toBe(503);
});

test("metrics count requests by route, method and status, and records through all doors", async () => {
  await using world = await HttpWorld.start();
  await world.createTopic("t");
  await world.post("/v1/topics/t/partitions/0/records", { records: [{ value: base64("a") }, { value: base64("b") }] });
  await world.json("/v1/topics/t/partitions/0/records");
  await world.json("/topics/none");
  const { type, body } = await world.json("/metrics");
  expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = String(body).split("\n");
  expect(lines).toContain('millrace_http_requests_total{route="/topics/{topic}",method="GET",status="404"} 1');
  expect(lines).toContain(
    'millrace_http_requests_total{route="/v1/topics/{topic}/partitions/{partition}/records",method="POST",status="200"} 1',
  );
  expect(lines).toContain("millrace_fetched_records_total 2");
  expect(lines).toContain("millrace_http_streams 0");
  expect(lines).toContain('millrace_http_request_duration_seconds_count{route="/topics/{topic}",method="GET"} 1');
});

const READER: HttpPrincipal = { name: "reader", may: (operation, { name }) => operation === "read" && name === "mine" };
const KEYED: HttpAuthenticator = {
  async authenticate(request) {
    if (request.headers.get("authorization") === "Bearer good") return READER;
    throw new HttpError({ status: 401, errorCode: 40101, message: "There is no valid key." });
  },
};

test("with keys on, a request without one is 401 before anything else is looked at", async () => {
  await using world = await HttpWorld.start({ auth: KEYED });
  for (const path of ["/topics", "/topics/none", "/metrics", "/v1/topics/mine/partitions/x/records?offset=what"]) {
    const { status, body } = await world.json(path);
    expect([path, status, body.error_code]).toEqual([path, 401, 40101]);
  }
  expect((await world.json("/healthz")).status).toBe(200);
  expect((await world.json("/openapi.json")).status).toBe(200);
});

test("a key does what it has a right to, and nothing else", async () => {
  await using world = await HttpWorld.start({ auth: KEYED });
  await world.createTopic("mine");
  await world.createTopic("other");
  const headers = { authorization: "Bearer good" };
  const get = async (path: string) => (await world.json(path, { headers })).status;
  expect(await get("/v1/topics/mine/partitions/0/records")).toBe(200);
  expect(await get("/v1/topics/other/partitions/0/records")).toBe(403);
  expect(await get("/topics/mine")).toBe(403);
  expect(await get("/metrics")).toBe(403);
  expect((await world.json("/topics", { headers })).body).toEqual([]);
  const { status, body } = await world.post("/topics/mine", { records: [{ value: 1 }] }, headers);
  expect([status, body.error_code]).toEqual([403, 40301]);
  expect((await world.json("/v1/producers", { method: "POST", headers })).status).toBe(403);
});

test("pages of an allowed origin may call, others may not read the answer", async () => {
  await using world = await HttpWorld.start({ settings: { corsOrigins: ["https://example.com"] } });
  const preflight = await world.request("/topics/t", {
    method: "OPTIONS",
    headers: { origin: "https://example.com", "access-control-request-method": "POST" },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://example.com");
  const allowed = await world.request("/topics", { headers: { origin: "https://example.com" } });
  expect(allowed.headers.get("access-control-expose-headers")).toContain("next-offset");
  const foreign = await world.request("/topics", { headers: { origin: "https://elsewhere.com" } });
  expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
});

test("without the setting no origin is allowed", async () => {
  await using world = await HttpWorld.start();
  const response = await world.request("/topics", { headers: { origin: "https://example.com" } });
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});
