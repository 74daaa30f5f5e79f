import { afterAll, beforeAll, expect, test } from "vitest";
import type { HttpAuthenticator } from "#lib/http/access.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { HttpWorld } from "./http-world.ts";

const auth: HttpAuthenticator = { authenticate: async () => ({ name: "nobody", may: () => false }) };

let world: HttpWorld;

beforeAll(async () => {
  world = await HttpWorld.start({ auth });
  await world.createTopic("orders");
});

afterAll(() => world[Symbol.asyncDispose]());

/** What those may see who may do nothing: lists of what they may see, and a frame is looked at before it is refused. */
const OTHERS: Readonly<Record<string, number>> = { listTopics: 200, health: 200, openApi: 200, relayKafkaRequest: 400 };

// Those of v3 have a test of their own (v3-access.test.ts).
test.each(ROUTES.filter(({ spec }) => spec.area !== "v3").map(({ spec }) => [spec.operationId, spec] as const))(
  "%s asks for a right",
  async (operationId, spec) => {
    const path = spec.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === "partition" ? "0" : "orders"));
    const [type] = Object.keys(spec.body ?? spec.streamedBody ?? {});
    const body = JSON.stringify(spec.bodyExamples?.[type ?? ""] ?? {});
    const content = type === undefined || spec.method === "get" ? {} : { headers: { "content-type": type }, body };
    const answer = await world.json(path, { method: spec.method.toUpperCase(), ...content });
    expect(answer.status).toBe(OTHERS[operationId] ?? 403);
    if (operationId === "listTopics") expect(answer.body).toEqual([]);
  },
);
