import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  at,
  call,
  type Door,
  discardEnvironments,
  doorsOf,
  environmentsOf,
  newLambdaClient,
  uniqueName,
} from "./app.ts";
import { type Consumed, makeTopic, RestConsumer, write } from "./rest-consumer.ts";

// Consumer instances of the REST Proxy's v2. Two functions answer for each of them in turn, in environments of their own.

const client = newLambdaClient();
let urls: readonly string[];

beforeAll(async () => {
  urls = (await doorsOf(client, "consumers", "produce")).map(({ url }) => url);
});

afterAll(() => client.destroy());

const consumer = (name = "i", group = uniqueName("group")) => new RestConsumer(urls, group, name);
const valuesOf = (records: readonly Consumed[]) => records.map(({ value }) => Number(value)).toSorted((a, b) => a - b);
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

/** Values in all partitions in turn, one request a partition. */
async function fill(topic: string, partitionCount: number, values: readonly number[]): Promise<void> {
  for (let partition = 0; partition < Math.min(partitionCount, values.length); partition++) {
    await write(topic, partition, ...values.filter((value) => value % partitionCount === partition));
  }
}

async function topicOf(prefix: string, partitionCount: number, values: readonly number[]): Promise<string> {
  const topic = uniqueName(prefix);
  await makeTopic(topic, partitionCount);
  await fill(topic, partitionCount, values);
  return topic;
}

describe("a consumer instance of the deployed functions", () => {
  test("is made, polls each record once, commits what it has got, seeks and is deleted, by two functions in turn", async () => {
    const topic = await topicOf("orders", 2, numbers(6));
    const one = consumer();
    const created = await one.create({ "auto.commit.enable": "false" });
    expect(created).toMatchObject({ status: 200, json: { instance_id: "i" } });
    expect(at(created.json, "base_uri")).toMatch(new RegExp(`^https?://.*/consumers/${one.group}/instances/i$`));
    expect(await one.create()).toMatchObject({ status: 409, json: { error_code: 40902 } });
    expect((await one.post("subscription", { topics: [topic] })).status).toBe(204);
    for (const _ of urls) expect((await one.get("subscription")).json).toEqual({ topics: [topic] });

    const records = await one.drain(6);
    expect(valuesOf(records)).toEqual(numbers(6));
    for (const partition of [0, 1]) {
      const offsets = records.filter((each) => each.partition === partition).map(({ offset }) => offset);
      expect(offsets).toEqual([0, 1, 2]);
    }
    for (const _ of urls) expect(await one.poll()).toEqual([]);

    const committed = `offsets?partitions=${topic}:0,${topic}:1`;
    expect((await one.get(committed)).json).toEqual({ offsets: [] });
    expect(await one.post("offsets")).toMatchObject({ status: 200, json: [] });
    const both = [0, 1].map((partition) => ({ topic, partition, offset: 3, metadata: "" }));
    for (const _ of urls) expect((await one.get(committed)).json).toEqual({ offsets: both });

    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    expect((await one.post("positions", { offsets: [{ topic, partition: 1, offset: 2 }] })).status).toBe(204);
    expect(await one.drain(1)).toMatchObject([{ partition: 1, offset: 2 }]);
    expect((await one.post("positions/beginning", { partitions })).status).toBe(204);
    expect(valuesOf(await one.drain(6))).toEqual(numbers(6));
    expect((await one.post("positions/beginning", { partitions })).status).toBe(204);
    expect((await one.post("positions/end", { partitions })).status).toBe(204);
    for (const _ of urls) expect(await one.poll()).toEqual([]);

    expect((await one.delete()).status).toBe(204);
    for (const _ of urls) {
      for (const answer of [await one.get("records"), await one.post("offsets"), await one.delete()]) {
        expect(answer).toMatchObject({ status: 404, json: { error_code: 40403 } });
      }
    }
  });

  test("waits for what another function writes", async () => {
    const topic = await topicOf("waiting", 1, []);
    const one = consumer();
    await one.join(topic);
    expect(await one.poll()).toEqual([]);
    const waiting = one.poll("timeout=20000");
    await new Promise((resolve) => setTimeout(resolve, 500));
    await write(topic, 0, 1);
    expect(valuesOf(await waiting)).toEqual([1]);
  });

  test("shares the partitions of its group with another one, and has them all when that one has gone", async () => {
    const topic = await topicOf("shared", 4, numbers(8));
    const [first, second] = [consumer("first"), consumer("second")];
    const both = [first, new RestConsumer(urls.toReversed(), first.group, second.name)] as const;
    const [a, b] = both;
    await a.join(topic);
    const found = [...(await a.drain(8))];
    await b.join(topic);
    await expect.poll(() => sharesOf(both, found), { timeout: 60_000 }).toEqual([2, 2]);
    const held = (await Promise.all(both.map((each) => each.partitions()))).flat();
    expect(held.toSorted((x, y) => x - y)).toEqual([0, 1, 2, 3]);

    await fill(topic, 4, numbers(8, 8));
    const [ofA, ofB] = [await a.drain(4), await b.drain(4)];
    expect([ofA.length, ofB.length]).toEqual([4, 4]);
    expect(valuesOf([...found, ...ofA, ...ofB])).toEqual(numbers(16));

    expect((await b.delete()).status).toBe(204);
    await expect.poll(() => sharesOf([a], found), { timeout: 60_000 }).toEqual([4]);
    await fill(topic, 4, numbers(4, 16));
    expect(valuesOf(await a.drain(4))).toEqual(numbers(4, 16));
  });

  test("goes on where it was when every environment that knew of it is gone", async () => {
    const topic = await topicOf("cold", 2, numbers(4));
    // Functions that no other test calls at the same time.
    const doors = await doorsOf(client, "consumers", "fetch");
    const one = new RestConsumer(
      doors.map(({ url }) => url),
      uniqueName("group"),
      "i",
    );
    await one.join(topic);
    expect(valuesOf(await one.drain(4))).toEqual(numbers(4));
    const before = await knownEnvironments(doors);
    await Promise.all(doors.map(({ functionName }) => discardEnvironments(client, functionName)));

    await fill(topic, 2, numbers(4, 4));
    expect(valuesOf(await one.drain(4))).toEqual(numbers(4, 4));
    expect(await one.partitions()).toEqual([0, 1]);
    const areNew = async () => (await knownEnvironments(doors)).map((now, i) => now.length > (before[i]?.length ?? 0));
    await expect.poll(areNew, { timeout: 20_000 }).toEqual(doors.map(() => true));
  });
});

describe("a key without the right", () => {
  test("to read the topic or to use the group gets no records, and takes none from who may", async () => {
    const topic = await topicOf("secret", 1, numbers(2));
    const one = consumer();
    await one.join(topic);
    const withoutTopic = await keyFor([
      { operation: "group", pattern: one.group },
      { operation: "read", pattern: "other-*" },
    ]);
    const withoutGroup = await keyFor([{ operation: "read", pattern: topic }]);
    for (const _ of urls) {
      for (const key of [withoutTopic, withoutGroup]) {
        const polled = await one.get("records?timeout=0", key);
        expect(polled).toMatchObject({ status: 403, json: { error_code: 40301 } });
        const subscribed = await one.post("subscription", { topics: [topic] }, key);
        expect(subscribed).toMatchObject({ status: 403, json: { error_code: 40301 } });
      }
      expect((await one.get("records?timeout=0", { authorization: "" })).status).toBe(401);
      // Nor the name of a topic that it may not see.
      expect(JSON.stringify((await one.get("assignments", withoutTopic)).json)).not.toContain(topic);
      expect(JSON.stringify((await one.get("records?timeout=0", withoutTopic)).json)).not.toContain(topic);
    }
    expect(valuesOf(await one.drain(2))).toEqual(numbers(2));
  });
});

/** How many partitions each has after a poll; what the polls hand out is kept. */
async function sharesOf(consumers: readonly RestConsumer[], found: Consumed[]): Promise<readonly number[]> {
  const shares: number[] = [];
  for (const each of consumers) {
    found.push(...(await each.poll()));
    shares.push((await each.partitions()).length);
  }
  return shares;
}

function knownEnvironments(doors: readonly Door[]): Promise<readonly (readonly string[])[]> {
  return Promise.all(doors.map(({ functionName }) => environmentsOf(functionName)));
}

async function keyFor(rights: readonly { readonly operation: string; readonly pattern: string }[]) {
  const { status, json } = await call("/v1/keys", { method: "POST", json: { name: "v2-consumers", rights } });
  expect(status).toBe(201);
  return { authorization: `Bearer ${at(json, "key")}` };
}
