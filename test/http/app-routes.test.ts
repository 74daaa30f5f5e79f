import { expect, test } from "vitest";
import type { Endpoint } from "#lib/http/endpoint.ts";
import { ALL_CONSUMER_ROUTES } from "#lib/http/routes/all-consumers.ts";
import { ALL_PRODUCE_ROUTES } from "#lib/http/routes/all-produce.ts";
import { V1_RECORD_ROUTES } from "#lib/http/routes/v1-records.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { HttpWorld } from "./http-world.ts";

// Apps that know some of the routes first, as functions have them.

const FIRST: readonly (readonly [string, readonly Endpoint[]])[] = [
  ["producers", ALL_PRODUCE_ROUTES],
  ["readers of records", V1_RECORD_ROUTES],
  ["consumers", ALL_CONSUMER_ROUTES],
];

test.each(FIRST)("no other route could answer what routes of %s answer", (_, first) => {
  expect(first.filter((endpoint) => !ROUTES.includes(endpoint))).toEqual([]);
  const others = ROUTES.filter((endpoint) => !first.includes(endpoint));
  const shared = first.flatMap((own) =>
    others.filter((other) => meet(own, other)).map((other) => [nameOf(own), nameOf(other)]),
  );
  expect(shared).toEqual([]);
});

/** Whether there is a request that fits both. */
function meet({ spec: one }: Endpoint, { spec: other }: Endpoint): boolean {
  const [left, right] = [one.path.split("/"), other.path.split("/")];
  if (one.method !== other.method || left.length !== right.length) return false;
  return left.every((part, index) => part === right[index] || isParameter(part) || isParameter(right[index] ?? ""));
}

function isParameter(part: string): boolean {
  return part.includes("{");
}

function nameOf({ spec }: Endpoint): string {
  return `${spec.method} ${spec.path}`;
}

/** A world whose app knows the producers' routes first, and how often it has asked for the others. */
async function startProducerWorld() {
  const asked = { count: 0 };
  const all = async () => {
    asked.count++;
    return ROUTES;
  };
  return { world: await HttpWorld.start({ routes: { first: ALL_PRODUCE_ROUTES, all } }), asked };
}

test("the first routes are served without the others", async () => {
  const { world, asked } = await startProducerWorld();
  await using _ = world;
  await world.createTopic("t");
  expect(await world.post("/topics/t", { records: [{ value: 1 }] })).toMatchObject({ status: 200 });
  expect(asked.count).toBe(0);
});

test("other routes are asked for once, and answer as if they had been there from the start", async () => {
  const { world, asked } = await startProducerWorld();
  await using _ = world;
  await using whole = HttpWorld.over(world.broker);
  await world.createTopic("t");
  const requests = [
    ["/topics", {}],
    ["/topics/t/", {}],
    ["/topics/t", { method: "DELETE" }],
    ["/nothing", {}],
    ["/v3/nothing", { method: "POST", body: "{}" }],
    ["/openapi.json", {}],
  ] as const;
  const answers = await Promise.all(requests.map(([path, init]) => world.json(path, init)));
  const expected = await Promise.all(requests.map(([path, init]) => whole.json(path, init)));
  const seen = ({ status, type, body }: (typeof answers)[number]) => ({ status, type, body });
  expect(answers.map(seen)).toEqual(expected.map(seen));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 405, 404, 404, 200]);
  expect(answers[2]?.headers.get("allow")).toBe(expected[2]?.headers.get("allow"));
  expect(asked.count).toBe(1);
});

test("routes that could not be loaded are asked for again by the next request", async () => {
  let asked = 0;
  const all = async () => {
    if (asked++ === 0) throw new Error("EMFILE");
    return ROUTES;
  };
  await using world = await HttpWorld.start({ routes: { first: ALL_PRODUCE_ROUTES, all } });
  expect((await world.json("/topics")).status).toBe(500);
  expect((await world.json("/topics")).status).toBe(200);
});

test("pages of other origins get their headers once, whichever routes answer", async () => {
  const settings = { corsOrigins: ["https://a.example"] };
  const routes = { first: ALL_PRODUCE_ROUTES, all: async () => ROUTES };
  await using world = await HttpWorld.start({ settings, routes });
  const headers = { origin: "https://a.example" };
  for (const path of ["/topics", "/nothing"]) {
    const { headers: answered } = await world.json(path, { headers });
    expect(answered.get("access-control-allow-origin")).toBe("https://a.example");
    expect(answered.get("vary")?.toLowerCase()).toBe("origin");
  }
});
