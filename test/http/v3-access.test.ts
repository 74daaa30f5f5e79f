import { afterAll, beforeAll, expect, test } from "vitest";
import type { HttpAuthenticator, HttpPrincipal } from "#lib/http/access.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { V3World } from "./v3-world.ts";

// Who may do what in v3. The header X-May names what a caller may do: `write:topic:orders`, or everything without it.

const byHeader: HttpAuthenticator = {
  authenticate: async ({ headers }): Promise<HttpPrincipal> => {
    const rights = headers.get("x-may")?.split(" ");
    return {
      name: "test",
      may: (operation, { kind, name }) => rights === undefined || rights.includes(`${operation}:${kind}:${name}`),
    };
  },
};

let v3: V3World;

beforeAll(async () => {
  v3 = await V3World.start({ auth: byHeader });
  for (const name of ["orders", "secrets"]) await v3.world.createTopic(name);
});

afterAll(() => v3[Symbol.asyncDispose]());

/** A body that the route would take. */
function bodyFor({ spec }: (typeof ROUTES)[number]) {
  const body = spec.bodyExamples?.["application/json"];
  return body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

const ROUTES_OF_V3 = ROUTES.filter(({ spec }) => spec.area === "v3");
const SHOW_WHAT_ONE_MAY_SEE = ["v3ListTopics", "v3ListConfigsOfAllTopics", "v3ListConsumerGroups"];

test.each(ROUTES_OF_V3.map((route) => [route.spec.operationId, route] as const))(
  "%s asks for a right",
  async (id, route) => {
    const { method, path, tag } = route.spec;
    const filled = path
      .replace("{cluster_id}", v3.clusterId)
      .replace("{topic_name}", "orders")
      .replace("{partition_id}", "0")
      .replace("{broker_id}", "0")
      .replace("{name}", "retention.ms")
      .replace("{consumer_group_id}", "billing")
      .replace("{consumer_id}", "c-1");
    const { headers = {}, ...rest } = bodyFor(route);
    const init = { method: method.toUpperCase(), headers: { ...headers, "x-may": "nothing" }, ...rest };
    const { status, body } = await v3.world.json(filled, init);
    if (SHOW_WHAT_ONE_MAY_SEE.includes(id)) expect([status, body.data]).toEqual([200, []]);
    else expect(status).toBe(tag === "acls (v3)" ? 501 : 403);
    if (status === 403) expect(body.error_code).toBe(403);
  },
);

test("lists show what one may see", async () => {
  const may = { "x-may": "describe:topic:orders describe:cluster:" };
  const names = async (path: string) => {
    const { data } = (await v3.get(path, may)).body;
    return [...new Set(data.map((each: { topic_name: string }) => each.topic_name))];
  };
  expect(await names("/topics")).toEqual(["orders"]);
  expect(await names("/topics/-/configs")).toEqual(["orders"]);
  expect(await names("/brokers/0/partition-replicas")).toEqual(["orders"]);
});

test.each([
  ["POST /topics", { topic_name: "made" }, 201, "create:topic:made"],
  ["PATCH /topics/made", { partitions_count: 2 }, 200, "alter:topic:made"],
  ["PUT /topics/made/configs/retention.ms", { value: "1" }, 204, "alter:topic:made"],
  ["POST /topics/made/records", { value: null }, 200, "write:topic:made"],
  ["POST /topics/made/records:batch", { entries: [{ id: "1" }] }, 207, "write:topic:made"],
  ["GET /topics/made/partitions/0", undefined, 200, "describe:topic:made"],
  ["DELETE /topics/made", undefined, 204, "delete:topic:made"],
  ["PUT /brokers/0/configs/log.retention.ms", { value: "1" }, 204, "alter:cluster:"],
  ["GET /consumer-groups/billing", undefined, 404, "describe:group:billing"],
])("%s %j is %i for whom the right is %s, and 403 for others", async (route, body, status, right) => {
  const [method = "", path = ""] = route.split(" ");
  const others = right.replace(/\w+$/, "orders").replace("cluster:", "topic:orders");
  expect((await v3.send(method, path, body, { "x-may": others })).status).toBe(403);
  expect((await v3.send(method, path, body, { "x-may": right })).status).toBe(status);
});
