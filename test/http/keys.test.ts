import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KeyRight } from "#lib/cluster/api-key-state.ts";
import type { HttpAuthenticator } from "#lib/http/access.ts";
import { KeyAuthenticator } from "#lib/http/key-authenticator.ts";
import { ipRules } from "#lib/security/ip-rules.ts";
import { formatKeyToken, hashSecret, newKeyToken } from "#lib/security/key-token.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { base64, HttpWorld } from "./http-world.ts";

const NEVER = new AbortController().signal;

/** Stands before the app until the broker is there whose keys it looks at. */
class LateAuthenticator implements HttpAuthenticator {
  bound: HttpAuthenticator | undefined;

  authenticate(...call: Parameters<HttpAuthenticator["authenticate"]>) {
    if (this.bound === undefined) throw new Error("not bound yet");
    return this.bound.authenticate(...call);
  }
}

let world: HttpWorld;
let seed = 1;
const keys: Record<string, string> = {};

async function makeKey(rights: readonly KeyRight[], fields: { rate?: number; expiresAtMs?: number } = {}) {
  const token = newKeyToken(new SeededRandom(seed++));
  const { keyAdmin } = world.broker.broker.services;
  const { keyId, secret } = token;
  const key = { keyId, secretHash: hashSecret(secret), name: "", rights, requestsPerSecond: fields.rate ?? 0 };
  const made = await keyAdmin.create({ ...key, expiresAtMs: fields.expiresAtMs }, NEVER);
  expect(made.kind).toBe("done");
  return formatKeyToken(token);
}

beforeAll(async () => {
  const auth = new LateAuthenticator();
  world = await HttpWorld.start({ auth });
  const { cluster, clock } = world.broker.broker.services;
  const addresses = ipRules({ allow: [], deny: [] });
  auth.bound = new KeyAuthenticator({ keys: cluster, isKeyNeeded: true, addresses, clock, signal: NEVER });
  await world.createTopic("orders");
  await world.createTopic("secrets");
  keys["admin"] = await makeKey([{ operation: "admin", pattern: "*" }]);
  keys["orders"] = await makeKey([
    { operation: "read", pattern: "orders" },
    { operation: "write", pattern: "ord*" },
  ]);
  keys["slow"] = await makeKey([{ operation: "read", pattern: "*" }], { rate: 1 });
});

afterAll(() => world[Symbol.asyncDispose]());

const bearer = (name: string) => ({ authorization: `Bearer ${keys[name]}` });
const produce = (topic: string, headers: Record<string, string>) =>
  world.post(
    `/topics/${topic}`,
    { records: [{ value: base64("x") }] },
    { "content-type": "application/vnd.kafka.binary.v2+json", ...headers },
  );

describe("without a valid key", () => {
  test.each([
    ["no header", {}, "Unauthorized: an API key is needed: Authorization: Bearer mr_…."],
    ["no key", { authorization: "Bearer x" }, "Unauthorized: this is no key: keys begin with mr_."],
    [
      "an unknown key",
      { authorization: `Bearer ${formatKeyToken(newKeyToken(new SeededRandom(99)))}` },
      "Unauthorized: the key is unknown or was deleted.",
    ],
  ])("%s is 401, with what to do, and nothing is written", async (_, headers, message) => {
    const answer = await produce("orders", headers as Record<string, string>);
    expect([answer.status, answer.body]).toEqual([401, { error_code: 40101, message }]);
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
    const end = await world.json("/topics/orders/partitions/0/offsets", { headers: bearer("admin") });
    expect(end.body).toEqual({ beginning_offset: 0, end_offset: 0 });
  });

  test("health answers anybody", async () => {
    expect((await world.json("/healthz")).status).toBe(200);
  });
});

describe("a key", () => {
  test("opens what its rights name and nothing else", async () => {
    expect((await produce("orders", bearer("orders"))).status).toBe(200);
    const refused = await produce("secrets", bearer("orders"));
    expect([refused.status, refused.body]).toEqual([
      403,
      { error_code: 40301, message: "This key has no right to write topic secrets." },
    ]);
    const read = (topic: string) =>
      world.json(`/v1/topics/${topic}/partitions/0/records?offset=0`, { headers: bearer("orders") });
    expect([(await read("orders")).status, (await read("secrets")).status]).toEqual([200, 403]);
  });

  test("is taken as a password, and in a header of its own", async () => {
    const basic = Buffer.from(`anybody:${keys["orders"]}`).toString("base64");
    expect((await produce("orders", { authorization: `Basic ${basic}` })).status).toBe(200);
    expect((await produce("orders", { "x-api-key": keys["orders"] ?? "" })).status).toBe(200);
  });

  test("has a rate", async () => {
    const read = () => world.json("/v1/topics/orders/partitions/0/records?offset=0", { headers: bearer("slow") });
    expect((await read()).status).toBe(200);
    const refused = await read();
    expect([refused.status, refused.body]).toEqual([
      429,
      { error_code: 42901, message: "This key may send 1 requests a second." },
    ]);
    expect(refused.headers.get("retry-after")).toBe("1");
  });
});

describe("the right to write", () => {
  test("makes no topic, neither by v2 nor by v1 or v3", async () => {
    const headers = bearer("orders");
    const message = "This key has no right to create topic ordinary.";
    expect((await produce("ordinary", headers)).body).toEqual({ error_code: 40301, message });
    const path = "/v1/topics/ordinary/partitions/0/records";
    expect((await world.post(path, { records: [{ value: base64("x") }] }, headers)).body.message).toBe(message);
    const { clusterId } = world.broker.broker.services.identity;
    const record = { value: { type: "STRING", data: "x" } };
    const v3 = `/v3/clusters/${clusterId}/topics/ordinary/records`;
    expect((await world.post(v3, record, headers)).status).toBe(403);
    expect((await world.post(`${v3}:batch`, { entries: [{ id: "1", ...record }] }, headers)).status).toBe(403);
    expect((await world.json("/topics/ordinary", { headers: bearer("admin") })).status).toBe(404);
    expect((await produce("ordinary", bearer("admin"))).status).toBe(200);
    expect((await produce("ordinary", headers)).status).toBe(200);
  });

  test("gives a producer id, the right to read does not", async () => {
    const ask = (name: string) => world.post("/v1/producers", "", bearer(name));
    expect((await ask("orders")).status).toBe(201);
    keys["reader"] = await makeKey([{ operation: "read", pattern: "*" }]);
    expect((await ask("reader")).status).toBe(403);
  });
});

describe("a key that goes while something is open", () => {
  const EVENTS = { accept: "text/event-stream" };
  const path = "/v1/topics/orders/partitions/0/records";
  const rights: readonly KeyRight[] = [{ operation: "read", pattern: "orders" }];
  const idOf = (key: string) => key.split("_")[1] ?? "";
  const remove = (key: string) => world.json(`/v1/keys/${idOf(key)}`, { method: "DELETE", headers: bearer("admin") });

  test("ends its event streams before another record is sent", async () => {
    const key = await makeKey(rights);
    const headers = { ...EVENTS, authorization: `Bearer ${key}` };
    const stream = await world.request(`${path}?offset=latest`, { headers });
    const reading = stream.text();
    await remove(key);
    expect((await produce("orders", bearer("admin"))).status).toBe(200);
    const message = "Unauthorized: the key was deleted.";
    expect(await reading).toBe(`: open\n\nevent: failure\ndata: {"error_code":40101,"message":"${message}"}\n\n`);
  });

  test("ends its long polls without a record", async () => {
    const key = await makeKey(rights);
    const headers = { authorization: `Bearer ${key}` };
    const polling = world.json(`${path}?offset=latest&timeout=20000`, { headers });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await remove(key);
    await produce("orders", bearer("admin"));
    expect((await polling).status).toBe(401);
  });

  test("by its end counts the same", async () => {
    const { cluster } = world.broker.broker.services;
    const key = await makeKey(rights, { expiresAtMs: cluster.nowMs() + 150 });
    const headers = { ...EVENTS, authorization: `Bearer ${key}` };
    const stream = await world.request(`${path}?offset=latest`, { headers });
    const reading = stream.text();
    await new Promise((resolve) => setTimeout(resolve, 250));
    await produce("orders", bearer("admin"));
    expect(await reading).toContain("the key has expired");
  });
});

test("lists of addresses hold for the document too, which needs no key, and not for health", async () => {
  const { cluster, clock } = world.broker.broker.services;
  const addresses = ipRules({ allow: ["10.0.0.0/8"], deny: [] });
  const auth = new KeyAuthenticator({ keys: cluster, isKeyNeeded: true, addresses, clock, signal: NEVER });
  await using closed = await HttpWorld.start({ auth });
  expect((await closed.json("/openapi.json")).body.error_code).toBe(40302);
  expect((await closed.json("/metrics")).body.error_code).toBe(40302);
  expect((await closed.json("/healthz")).status).toBe(200);
  expect((await world.json("/openapi.json")).status).toBe(200);
});

describe("keys over HTTP", () => {
  test("are made, listed and deleted by whoever has the right admin", async () => {
    const asked = { name: "ci", rights: [{ operation: "read", pattern: "*" }], requests_per_second: 5 };
    const made = await world.post("/v1/keys", asked, bearer("admin"));
    expect([made.status, made.body]).toEqual([
      201,
      {
        ...asked,
        id: expect.any(String),
        key: expect.any(String),
        created_at_ms: expect.any(Number),
        expires_at_ms: null,
      },
    ]);
    const own = { authorization: `Bearer ${made.body.key}` };
    expect((await world.json("/topics/orders", { headers: own })).status).toBe(200);
    const listed = await world.json("/v1/keys", { headers: bearer("admin") });
    expect(listed.body.keys.map(({ id }: { id: string }) => id)).toContain(made.body.id);
    expect(JSON.stringify(listed.body)).not.toContain(made.body.key);
    const path = `/v1/keys/${made.body.id}`;
    expect((await world.json(path, { method: "DELETE", headers: bearer("admin") })).status).toBe(204);
    expect((await world.json(path, { method: "DELETE", headers: bearer("admin") })).status).toBe(404);
    expect((await world.json("/topics/orders", { headers: own })).status).toBe(401);
  });

  test("are nobody else's", async () => {
    expect((await world.json("/v1/keys", { headers: bearer("orders") })).status).toBe(403);
    const asked = { rights: [{ operation: "admin", pattern: "*" }] };
    expect((await world.post("/v1/keys", asked, bearer("orders"))).status).toBe(403);
  });
});
