import { afterAll, beforeAll, expect, test } from "vitest";
import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { journalOfPartition } from "#lib/log/partition-directory.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { sumBatch } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { GROUP_MEMBER_BYTES_MAX } from "#lib/util/limits.ts";
import { ConsumerWorld, RestConsumer, write } from "./consumer-world.ts";
import { DeletableKey } from "./deletable-key.ts";
import { HttpWorld } from "./http-world.ts";

// What polls do at the edges: none of it may lose a record or hold up others for good.

let world: ConsumerWorld;
let first: HttpWorld;

beforeAll(async () => {
  world = await ConsumerWorld.start(2);
  first = world.process(0);
});

afterAll(() => world[Symbol.asyncDispose]());

const consumer = (name: string, group: string) => new RestConsumer(world.processes, group, name);

test("a HEAD takes no records", async () => {
  await first.createTopic("head");
  await write(first, "head", ["a"]);
  const one = consumer("i", "head");
  await one.create();
  await one.assign("head", 0);
  const { status } = await first.request("/consumers/head/instances/i/records", { method: "HEAD" });
  expect(status).toBe(405);
  expect(await one.values()).toEqual(["a"]);
});

test("the answer of a poll may be kept by nobody on its way", async () => {
  await first.createTopic("kept");
  const one = consumer("i", "kept");
  await one.create();
  await one.assign("kept", 0);
  expect((await one.get("records?timeout=0")).headers.get("cache-control")).toBe("no-store");
});

test("each partition comes first in its turn, also for who commits after each poll", async () => {
  await first.createTopic("turns", 2);
  for (const value of [0, 1, 2, 3, 4]) {
    for (const partition of [0, 1]) await write(first, "turns", [value], partition);
  }
  const one = consumer("i", "turns");
  await one.create({ "auto.commit.enable": "false" });
  await one.assign("turns", 0, 1);
  const seen = new Set<number>();
  for (let round = 0; round < 4; round++) {
    for (const { partition } of await one.poll("timeout=0&max_bytes=1")) seen.add(partition);
    expect((await one.post("offsets")).status).toBe(200);
  }
  expect([...seen].sort()).toEqual([0, 1]);
});

test("a long poll whose key is deleted meanwhile ends with 401 and takes nothing", async () => {
  const key = new DeletableKey();
  await using guarded = await HttpWorld.start({ auth: key.auth });
  await guarded.createTopic("t");
  const one = new RestConsumer([guarded], "g", "i");
  await one.create();
  await one.assign("t", 0);
  await one.poll();
  const polling = one.get("records?timeout=5000");
  await new Promise((resolve) => setTimeout(resolve, 50));
  key.isDeleted = true;
  await write(guarded, "t", ["a"]);
  expect((await polling).body.error_code).toBe(40101);
  key.isDeleted = false;
  expect(await one.values()).toEqual(["a"]);
});

/** A batch of one record whose CRC is right and whose record is none, as a faulty producer may send it. */
function brokenBatch(): Uint8Array {
  const batch = buildBatch([{ timestampMs: 0, key: null, value: Buffer.from("abc"), headers: [] }]);
  batch.fill(0xff, 61);
  const view = new DataView(batch.buffer, batch.byteOffset);
  view.setUint32(17, sumBatch(batch));
  return batch;
}

test("a batch that cannot be read stops no record before it, and says where to go on", async () => {
  await first.createTopic("broken", 2);
  await write(first, "broken", ["a"], 0);
  const path = "/v1/topics/broken/partitions/0/records";
  const sent = await first.request(path, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: Uint8Array.from(brokenBatch()),
  });
  expect(sent.status).toBe(200);
  await write(first, "broken", ["b"], 0);
  await write(first, "broken", ["c"], 1);
  const one = consumer("i", "broken");
  await one.create();
  await one.assign("broken", 0, 1);
  for (const value of ["a", "c"]) expect(await one.values()).toEqual([value]);
  const { status, body } = await one.get("records?timeout=0");
  expect([status, body.error_code]).toEqual([422, 42210]);
  expect(body.message).toContain("Partition 0 of broken");
  expect(body.message).toContain("with offset 2");
  const to = { topic: "broken", partition: 0, offset: 2 };
  expect((await one.post("positions", { offsets: [to] })).status).toBe(204);
  expect(await one.values()).toEqual(["b"]);
});

test("a topic that is gone takes nothing from the others of the first poll", async () => {
  for (const name of ["stays", "goes"]) await first.createTopic(name);
  await write(first, "stays", ["a"]);
  const one = new RestConsumer([first], "gone", "i");
  await one.create();
  await one.subscribe("goes", "stays");
  const other = world.process(1);
  const { cluster_id: cluster } = (await other.json("/v3/clusters")).body.data[0];
  expect((await other.request(`/v3/clusters/${cluster}/topics/goes`, { method: "DELETE" })).status).toBe(204);
  expect(await one.values()).toEqual(["a"]);
});

test("who calls and never polls is expelled in time, and hears that nothing is committed", async () => {
  await using short = await ConsumerWorld.start(2, { settings: { instanceTimeoutMs: 600 } });
  await short.process(0).createTopic("t", 2);
  for (const partition of [0, 1]) await write(short.process(0), "t", ["a"], partition);
  const [slow, other] = ["slow", "other"].map((name) => new RestConsumer(short.processes, "g", name));
  if (slow === undefined || other === undefined) throw new Error();
  await slow.create({ "auto.commit.enable": "false" });
  await slow.subscribe("t");
  expect(await slow.drain(2)).toHaveLength(2);
  await other.create();
  await other.subscribe("t");
  const found: unknown[] = [];
  const pollOfOther = async () => {
    await slow.get("subscription");
    found.push(...(await other.poll("timeout=50")));
    return found.length;
  };
  await expect.poll(pollOfOther, { timeout: 5_000 }).toBe(2);
  for (let attempt = 0; attempt < 2; attempt++) {
    const { status, body } = await slow.post("offsets");
    expect([status, body.error_code]).toEqual([409, 40904]);
  }
  await slow.poll();
  expect((await slow.post("offsets")).status).toBe(200);
});

test("a subscription that no group takes is not kept", async () => {
  const one = consumer("i", "long");
  await one.create();
  const topics = Array.from({ length: 5_000 }, (_, at) => `${at}-`.padEnd(249, "x"));
  expect(topics.join("").length).toBeGreaterThan(GROUP_MEMBER_BYTES_MAX);
  const { status, body } = await one.post("subscription", { topics });
  expect([status, body.error_code]).toEqual([422, 422]);
  expect((await one.get("subscription")).body).toEqual({ topics: [] });
});

test("the types of embedded formats are accepted everywhere, as the REST Proxy's clients send them with all calls", async () => {
  await first.createTopic("typed");
  await write(first, "typed", ["a"]);
  const at = "/consumers/typed/instances/i";
  const partitions = [{ topic: "typed", partition: 0 }];
  for (const type of ["application/vnd.kafka.json.v2+json", "application/vnd.kafka.binary.v2+json"]) {
    const format = type.includes("json.v2") ? "json" : "binary";
    const answers: Record<string, number> = {};
    const send = async (method: string, path: string, body?: unknown) => {
      const headers = { accept: type, "content-type": type };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const { status } = await first.json(path, { method, headers, ...sent });
      answers[`${method} ${path}`] = status;
    };
    await send("POST", "/consumers/typed", { name: "i", format, "auto.offset.reset": "earliest" });
    await send("POST", `${at}/assignments`, { partitions });
    await send("GET", `${at}/assignments`);
    await send("GET", `${at}/subscription`);
    await send("GET", `${at}/records?timeout=0`);
    await send("POST", `${at}/positions/beginning`, { partitions });
    await send("POST", `${at}/offsets`);
    await send("GET", `${at}/offsets`);
    await send("DELETE", `${at}/subscription`);
    await send("DELETE", at);
    expect(Object.values(answers)).toEqual([200, 204, 200, 200, 200, 204, 200, 200, 204, 204]);
  }
});

test("partitions whose records are lost hold up no others", async () => {
  await using lossy = await ConsumerWorld.start(2);
  const [writer, reader] = [lossy.process(0), lossy.process(1)];
  await writer.createTopic("t", 3);
  await write(writer, "t", ["kept"], 2);
  const kept = new Set(lossy.objects.objects.keys());
  for (const partition of [0, 1]) await write(writer, "t", ["x".repeat(50_000)], partition);
  for (const key of lossy.objects.objects.keys()) if (!kept.has(key)) lossy.objects.delete(key);
  const one = new RestConsumer([reader], "g", "i");
  await one.create();
  await one.assign("t", 0, 1, 2);
  expect(await one.values("timeout=0&max_bytes=1000")).toEqual(["kept"]);
  const { status, body } = await one.get("records?timeout=0&max_bytes=1000");
  expect([status, body.error_code]).toEqual([503, 50302]);
});

test("a poll of an instance that is made anew meanwhile takes nothing from the new one", async () => {
  await first.createTopic("anew");
  const one = consumer("i", "anew");
  await one.create();
  await one.assign("anew", 0);
  await one.poll();
  const polling = one.get("records?timeout=5000");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await one.delete();
  await one.create();
  await one.assign("anew", 0);
  await write(first, "anew", ["a"]);
  const { status, body } = await polling;
  expect([status, body.error_code]).toEqual([404, 40403]);
  expect(await one.values()).toEqual(["a"]);
});

test("a partition whose journal does not answer holds up no others at the beginning", async () => {
  const away = { journal: "" };
  const faults: JournalFaultPlan = {
    next: ({ journal }) => (journal === away.journal ? { kind: "failure" } : undefined),
  };
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), faults, "broker-0");
  await using alone = await HttpWorld.start({ journal });
  await alone.createTopic("t", 2);
  const one = new RestConsumer([alone], "g", "i");
  await one.create({ "auto.offset.reset": "latest" });
  await one.assign("t", 0, 1);
  const { placement } = defined(alone.broker.broker.services.cluster.topicByName("t"));
  away.journal = `log-${journalOfPartition(placement, 0)}`;
  const { status, body } = await one.get("records?timeout=20000");
  expect([status, body.error_code]).toEqual([503, 50302]);
  await write(alone, "t", ["a"], 1);
  expect(await one.values()).toEqual(["a"]);
  away.journal = "";
  expect(await one.values()).toEqual([]);
  await write(alone, "t", ["b"], 0);
  expect(await one.values()).toEqual(["b"]);
});
