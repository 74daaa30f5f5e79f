import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsumerWorld, RestConsumer, write } from "./consumer-world.ts";
import { base64, type HttpWorld } from "./http-world.ts";

let world: ConsumerWorld;
let first: HttpWorld;

beforeAll(async () => {
  world = await ConsumerWorld.start(2);
  first = world.process(0);
});

afterAll(() => world[Symbol.asyncDispose]());

let groups = 0;
/** A consumer whose calls go to both processes in turn, in a group of its own. */
const consumer = (name = "i", group = `group-${groups++}`) => new RestConsumer(world.processes, group, name);

async function topicOf(name: string, values: readonly unknown[] = [], partitionCount = 1): Promise<string> {
  await first.createTopic(name, partitionCount);
  if (values.length > 0) await write(first, name, values);
  return name;
}

describe("an instance", () => {
  test("is made, found by every process, and deleted", async () => {
    const one = consumer("worker 1");
    const created = await one.create();
    expect(created.status).toBe(200);
    expect(created.body).toEqual({
      instance_id: "worker 1",
      base_uri: `http://localhost/consumers/${one.group}/instances/worker%201`,
    });
    const again = await one.create();
    expect([again.status, again.body.error_code]).toEqual([409, 40902]);
    for (const _ of world.processes) expect((await one.get("subscription")).body).toEqual({ topics: [] });
    expect((await one.delete()).status).toBe(204);
    for (const _ of world.processes) {
      const gone = await one.get("subscription");
      expect([gone.status, gone.body.error_code]).toEqual([404, 40403]);
    }
    const deleted = await one.delete();
    expect([deleted.status, deleted.body.error_code]).toEqual([404, 40403]);
  });

  test("has a name of its own where none is given, and the REST Proxy's defaults", async () => {
    const created = await first.json("/consumers/unnamed", { method: "POST" });
    expect(created.status).toBe(200);
    expect(created.body.instance_id).toMatch(/^rest-consumer-/);
    expect(created.body.base_uri).toBe(`http://localhost/consumers/unnamed/instances/${created.body.instance_id}`);
    const headers = { "content-type": "application/vnd.kafka.v2+json" };
    expect((await first.post("/consumers/unnamed", { id: "by-id" }, headers)).body.instance_id).toBe("by-id");
  });

  test.each([
    [{ format: "avro" }, 422, 42204],
    [{ "auto.offset.reset": "first" }, 422, 42204],
    [{ "auto.commit.enable": "yes" }, 422, 42204],
    [{ "fetch.min.bytes": "many" }, 422, 42204],
    [{ "consumer.request.timeout.ms": -2 }, 422, 42204],
    [{ name: "a/b" }, 422, 42204],
    [{ name: "" }, 422, 42204],
    [{ name: "\ud800" }, 422, 42204],
    [{ "group.id": "x" }, 422, 42204],
    [{ toString: "x" }, 422, 42204],
    [{ other: null }, 422, 42204],
    [{ format: ["json"] }, 422, 42204],
  ])("cannot be made with %j: %i %i", async (config, status, code) => {
    const answer = await consumer().create(config);
    expect([answer.status, answer.body.error_code]).toEqual([status, code]);
  });

  test.each([
    ["subscription", { topics: ["t"] }],
    ["assignments", { partitions: [] }],
    ["positions", { offsets: [] }],
    ["positions/beginning", { partitions: [] }],
    ["positions/end", { partitions: [] }],
    ["offsets", undefined],
  ])("that is not there is 404 40403: POST %s", async (path, body) => {
    const answer = await consumer().post(path, body);
    expect([answer.status, answer.body.error_code]).toEqual([404, 40403]);
  });

  test.each(["subscription", "assignments", "offsets", "records"])(
    "that is not there is 404 40403: GET %s",
    async (path) => {
      const answer = await consumer().get(path);
      expect([answer.status, answer.body.error_code]).toEqual([404, 40403]);
    },
  );
});

describe("a subscription", () => {
  test("is shown by every process, can be another, and can be given up", async () => {
    await topicOf("sub-a");
    await topicOf("sub-b", [], 2);
    const one = consumer();
    await one.create();
    await one.subscribe("sub-a");
    for (const _ of world.processes) expect((await one.get("subscription")).body).toEqual({ topics: ["sub-a"] });
    await one.poll();
    expect((await one.get("assignments")).body).toEqual({ partitions: [{ topic: "sub-a", partition: 0 }] });
    await one.subscribe("sub-b");
    await one.poll();
    const partitions = [0, 1].map((partition) => ({ topic: "sub-b", partition }));
    for (const _ of world.processes) expect((await one.get("assignments")).body).toEqual({ partitions });
    expect((await one.delete("subscription")).status).toBe(204);
    expect((await one.get("subscription")).body).toEqual({ topics: [] });
    expect((await one.get("assignments")).body).toEqual({ partitions: [] });
  });

  test("may be a pattern", async () => {
    await topicOf("pattern-1", ["a"]);
    await topicOf("pattern-2", ["b"]);
    await topicOf("other-pattern", ["c"]);
    const one = consumer();
    await one.create();
    expect((await one.post("subscription", { topic_pattern: "pattern-.*" })).status).toBe(204);
    expect((await one.drain(2)).map(({ value }) => value).toSorted()).toEqual(["a", "b"]);
    expect((await one.get("subscription")).body).toEqual({ topics: ["pattern-1", "pattern-2"] });
  });

  test("of one kind excludes the others", async () => {
    await topicOf("kinds");
    const one = consumer();
    await one.create();
    const assignment = { partitions: [{ topic: "kinds", partition: 0 }] };
    const refused = async (path: string, body: unknown) => {
      const answer = await one.post(path, body);
      return [answer.status, answer.body.error_code];
    };
    expect(await refused("subscription", { topics: ["kinds"], topic_pattern: "k.*" })).toEqual([409, 40903]);
    await one.subscribe("kinds");
    expect(await refused("assignments", assignment)).toEqual([409, 40903]);
    expect(await refused("subscription", { topic_pattern: "k.*" })).toEqual([409, 40903]);
    await one.delete("subscription");
    await one.assign("kinds", 0);
    expect(await refused("subscription", { topics: ["kinds"] })).toEqual([409, 40903]);
  });

  test.each([
    ["subscription", {}, 422, 422],
    ["subscription", { topic: "x" }, 422, 422],
    ["subscription", { topic_pattern: "(" }, 422, 422],
    ["offsets", { offsets: [{ topic: "known", partition: 0, offset: Number.MAX_SAFE_INTEGER }] }, 422, 422],
    ["assignments", { partitions: [{ topic: "nowhere", partition: 0 }] }, 404, 40401],
    ["assignments", { partitions: [{ topic: "known", partition: 9 }] }, 404, 40402],
    ["assignments", { partitions: [{ topic: "known", partition: -1 }] }, 422, 422],
    ["positions", { offsets: [{ topic: "known", partition: 0, offset: 1 }] }, 409, 40903],
    ["positions/end", { partitions: [{ topic: "nowhere", partition: 0 }] }, 404, 40401],
    ["offsets", { offsets: [{ topic: "known", partition: 7, offset: 1 }] }, 404, 40402],
    ["offsets", { offsets: [{ topic: "known", partition: 0, offset: -1 }] }, 422, 422],
    ["offsets", "{", 400, 400],
  ])("POST %s with %j is %i %i", async (path, body, status, code) => {
    if (!(await first.json("/topics")).body.includes("known")) await topicOf("known");
    const one = consumer();
    await one.create();
    const answer = await one.post(path, body);
    expect([answer.status, answer.body.error_code]).toEqual([status, code]);
  });
});

describe("a poll", () => {
  test("without a subscription is refused", async () => {
    const one = consumer();
    await one.create();
    const { status, body } = await one.get("records");
    expect([status, body.error_code]).toEqual([409, 40903]);
  });

  test("hands out each record once, whichever process answers", async () => {
    await topicOf("once-each", [1, 2, 3]);
    const one = consumer();
    await one.create();
    await one.subscribe("once-each");
    expect(await one.poll()).toEqual(
      [1, 2, 3].map((value, offset) => ({ topic: "once-each", key: null, value, partition: 0, offset })),
    );
    expect(await one.values()).toEqual([]);
    await write(first, "once-each", [4]);
    expect(await one.values()).toEqual([4]);
    expect(await one.values()).toEqual([]);
  });

  test("shows base64 or JSON, as the instance was made, and every digit of a number", async () => {
    await first.createTopic("forms");
    await first.post("/topics/forms", '{"records":[{"key":"k","value":{"n":12345678901234567890}}]}');
    const [binary, json] = [consumer("binary"), consumer("json")];
    await binary.create({ format: "binary" });
    await json.create({ format: "json" });
    await binary.assign("forms", 0);
    await json.assign("forms", 0);
    const found = await binary.get("records?timeout=0");
    expect(found.type).toBe("application/vnd.kafka.binary.v2+json");
    const text = '{"n":12345678901234567890}';
    expect(found.body).toMatchObject([{ key: base64('"k"'), value: base64(text) }]);
    const path = `/consumers/${json.group}/instances/json/records`;
    const response = await first.request(path, { headers: { accept: "application/vnd.kafka.json.v2+json" } });
    expect(response.headers.get("content-type")).toBe("application/vnd.kafka.json.v2+json");
    expect(await response.text()).toBe(`[{"topic":"forms","key":"k","value":${text},"partition":0,"offset":0}]`);
  });

  test("that asks for the other form is 406 40601, and takes nothing", async () => {
    await topicOf("other-form", [1]);
    const one = consumer();
    await one.create();
    await one.assign("other-form", 0);
    const { status, body } = await one.get("records", { accept: "application/vnd.kafka.binary.v2+json" });
    expect([status, body.error_code]).toEqual([406, 40601]);
    expect((await one.get("records", { accept: "text/html" })).status).toBe(406);
    expect(await one.values()).toEqual([1]);
  });

  test("waits for records from any process, up to its timeout", async () => {
    await topicOf("awaited-there");
    const one = consumer();
    await one.create();
    await one.subscribe("awaited-there");
    const startMs = performance.now();
    expect(await one.values("timeout=120")).toEqual([]);
    expect(performance.now() - startMs).toBeGreaterThan(100);
    const waiting = one.values("timeout=10000");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await write(world.process(1), "awaited-there", ["late"]);
    expect(await waiting).toEqual(["late"]);
  });

  test("begins at the end as it was when it first looked, with latest", async () => {
    await topicOf("newest", ["old"]);
    const one = consumer();
    await one.create({ "auto.offset.reset": "latest" });
    await one.subscribe("newest");
    expect(await one.values()).toEqual([]);
    await write(first, "newest", ["new"]);
    expect(await one.values()).toEqual(["new"]);
  });

  test("says where it cannot begin, with none", async () => {
    await topicOf("nowhere-to-begin", ["a"]);
    const one = consumer();
    await one.create({ "auto.offset.reset": "none" });
    await one.assign("nowhere-to-begin", 0);
    const { status, body } = await one.get("records");
    expect([status, body.error_code]).toEqual([416, 41601]);
    await one.post("positions", { offsets: [{ topic: "nowhere-to-begin", partition: 0, offset: 0 }] });
    expect(await one.values()).toEqual(["a"]);
  });

  test("is bounded by max_bytes, and goes on where it ended", async () => {
    await first.createTopic("bounded-poll");
    for (const letter of ["a", "b", "c"]) await write(first, "bounded-poll", [letter.repeat(1_000)]);
    const one = consumer();
    await one.create();
    await one.assign("bounded-poll", 0);
    const found = [];
    for (let at = 0; at < 3; at++) found.push(...(await one.values("timeout=0&max_bytes=1200")));
    expect(found.map((value) => String(value)[0])).toEqual(["a", "b", "c"]);
  });

  test("stops before a record that is not JSON, says which, and goes on behind it when told", async () => {
    await first.createTopic("mixed");
    await write(first, "mixed", ["good"]);
    const binary = { "content-type": "application/vnd.kafka.binary.v2+json" };
    await first.post("/topics/mixed", { records: [{ value: base64("{bad") }] }, binary);
    await write(first, "mixed", ["better"]);
    const one = consumer();
    await one.create();
    await one.assign("mixed", 0);
    expect(await one.values()).toEqual(["good"]);
    const { status, body } = await one.get("records");
    expect([status, body.error_code]).toEqual([422, 42216]);
    await one.post("positions", { offsets: [{ topic: "mixed", partition: 0, offset: 2 }] });
    expect(await one.values()).toEqual(["better"]);
  });

  test.each(["timeout=x", "timeout=-2", "max_bytes=1.5"])("with %s is 400", async (query) => {
    const one = consumer();
    await one.create();
    expect((await one.get(`records?${query}`)).status).toBe(400);
  });
});

describe("positions", () => {
  test("can be set, to the beginning, to the end and to an offset, for every process", async () => {
    await topicOf("sought", ["a", "b", "c"]);
    const one = consumer();
    await one.create();
    await one.subscribe("sought");
    const partitions = [{ topic: "sought", partition: 0 }];
    expect((await one.post("positions/end", { partitions })).status).toBe(204);
    expect(await one.values()).toEqual([]);
    expect((await one.post("positions", { offsets: [{ topic: "sought", partition: 0, offset: 2 }] })).status).toBe(204);
    expect(await one.values()).toEqual(["c"]);
    expect((await one.post("positions/beginning", { partitions })).status).toBe(204);
    expect(await one.values()).toEqual(["a", "b", "c"]);
  });

  test("beyond the ends begin anew by auto.offset.reset", async () => {
    await topicOf("beyond", ["a", "b"]);
    const one = consumer();
    await one.create();
    await one.assign("beyond", 0);
    await one.post("positions", { offsets: [{ topic: "beyond", partition: 0, offset: 99 }] });
    expect(await one.values()).toEqual(["a", "b"]);
  });

  test("set while a poll waits are where it goes on", async () => {
    await topicOf("sought-meanwhile", ["a"]);
    const one = consumer();
    await one.create();
    await one.assign("sought-meanwhile", 0);
    expect(await one.values()).toEqual(["a"]);
    const waiting = one.values("timeout=10000");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await one.post("positions/beginning", { partitions: [{ topic: "sought-meanwhile", partition: 0 }] });
    expect(await waiting).toEqual(["a"]);
  });
});

describe("committing", () => {
  test("without a body commits all that was delivered", async () => {
    await topicOf("all", ["a", "b"]);
    const one = consumer();
    await one.create({ "auto.commit.enable": "false" });
    await one.subscribe("all");
    expect(await one.values()).toEqual(["a", "b"]);
    expect(await one.values()).toEqual([]);
    expect(await one.committed("all")).toBeUndefined();
    const { status, body } = await one.post("offsets");
    expect([status, body]).toEqual([200, []]);
    expect(await one.committed("all")).toBe(2);
    expect((await one.get("offsets")).body).toEqual({
      offsets: [{ topic: "all", partition: 0, offset: 2, metadata: "" }],
    });
  });

  test("with a body commits the offset behind the one that is named, as the REST Proxy does", async () => {
    await topicOf("named", ["a", "b", "c"]);
    const one = consumer();
    await one.create({ "auto.commit.enable": false });
    await one.subscribe("named");
    const offsets = [{ topic: "named", partition: 0, offset: 1, metadata: "m" }];
    const { status, body } = await one.post("offsets", { offsets });
    expect([status, body]).toEqual([200, []]);
    expect((await one.get("offsets?partitions=named:0")).body.offsets).toEqual([
      { topic: "named", partition: 0, offset: 2, metadata: "m" },
    ]);
    await one.delete();
    await one.create();
    await one.subscribe("named");
    expect(await one.values()).toEqual(["c"]);
  });

  test("by itself commits at a poll what the polls before it have delivered", async () => {
    await topicOf("auto", ["a"]);
    const one = consumer();
    await one.create();
    await one.subscribe("auto");
    expect(await one.values()).toEqual(["a"]);
    expect(await one.committed("auto")).toBeUndefined();
    await write(first, "auto", ["b"]);
    expect(await one.values()).toEqual(["b"]);
    expect(await one.committed("auto")).toBe(1);
    expect(await one.values()).toEqual([]);
    expect(await one.committed("auto")).toBe(2);
  });

  test("by itself happens when the instance is deleted, and not without", async () => {
    await topicOf("closing", ["a"]);
    const [one, other] = [consumer("one"), consumer("other")];
    await one.create();
    await other.create({ "auto.commit.enable": "false" });
    for (const each of [one, other]) {
      await each.subscribe("closing");
      expect(await each.values()).toEqual(["a"]);
      await each.delete();
      await each.create();
    }
    expect(await one.committed("closing")).toBe(1);
    expect(await other.committed("closing")).toBeUndefined();
  });

  test("partitions by hand is refused while the group has members, and reading goes on", async () => {
    await topicOf("by-hand", ["a"]);
    const one = consumer("one", "by-hand");
    const member = consumer("member", "by-hand");
    await one.create();
    await one.assign("by-hand", 0);
    await member.create();
    await member.subscribe("by-hand");
    expect(await one.values()).toEqual(["a"]);
    await write(first, "by-hand", ["b"]);
    expect(await one.values()).toEqual(["b"]);
    for (const body of [undefined, { offsets: [{ topic: "by-hand", partition: 0, offset: 0 }] }]) {
      const answer = await one.post("offsets", body);
      expect([answer.status, answer.body.error_code]).toEqual([409, 40905]);
    }
    await member.delete();
    expect((await one.post("offsets")).status).toBe(200);
    expect(await one.committed("by-hand")).toBe(2);
  });
});
