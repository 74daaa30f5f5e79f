import { randomBytes } from "node:crypto";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { at, call, ENDPOINT, STORES, uniqueName } from "./app.ts";

const JSON_V2 = { "content-type": "application/vnd.kafka.json.v2+json" };
const BINARY_V2 = { "content-type": "application/vnd.kafka.binary.v2+json" };
/** Each needs a process of its own at first. */
const WRITERS = 8;
const NO_KEY = { authorization: "" };

const recordsOf = (topic: string, query = ""): ReturnType<typeof call> =>
  call(`/v1/topics/${topic}/partitions/0/records?offset=earliest${query}`);

async function objectCount(store: string): Promise<number> {
  const client = newS3Client({ endpoint: ENDPOINT });
  const { KeyCount = 0 } = await client.send(new ListObjectsV2Command({ Bucket: new URL(store).hostname }));
  client.destroy();
  return KeyCount;
}

describe("the deployed functions over HTTPS", () => {
  test("what one request produces another one fetches, in order", async () => {
    const topic = uniqueName("orders");
    for (const [i, text] of ["one", "two", "three"].entries()) {
      const json = { records: [{ key: "k", value: { text } }] };
      const produced = await call(`/topics/${topic}/partitions/0`, { method: "POST", headers: JSON_V2, json });
      expect(produced).toMatchObject({ status: 200, json: { offsets: [{ partition: 0, offset: i }] } });
    }
    const fetched = await recordsOf(topic);
    expect(fetched).toMatchObject({ status: 200, json: { topic, partition: 0, log_start_offset: 0, next_offset: 3 } });
    expect(at(fetched.json, "records")).toHaveLength(3);
  });

  test("bytes come back as they went in, small ones by the journal and large ones by objects in every store", async () => {
    const topic = uniqueName("bytes");
    const values = [randomBytes(100), randomBytes(700_000), randomBytes(2_000)].map((bytes) =>
      bytes.toString("base64"),
    );
    const before = await Promise.all(STORES.map(objectCount));
    for (const value of values) {
      const json = { records: [{ value }] };
      const { status } = await call(`/topics/${topic}/partitions/0`, { method: "POST", headers: BINARY_V2, json });
      expect(status).toBe(200);
    }
    const { json } = await recordsOf(topic, "&max_bytes=4000000");
    expect([0, 1, 2].map((i) => base64Of(at(json, "records", i)))).toEqual(values);
    const after = await Promise.all(STORES.map(objectCount));
    expect(after.map((count, i) => count > (before[i] ?? 0))).toEqual(STORES.map(() => true));
  });

  test("many requests at once, in several environments, give every record an offset of its own and no gap", async () => {
    const topic = uniqueName("racing");
    await call(`/topics/${topic}/partitions/0`, {
      method: "POST",
      headers: JSON_V2,
      json: { records: [{ value: 0 }] },
    });
    const answers = await Promise.all(
      Array.from({ length: WRITERS }, (_, i) => {
        const json = { records: [{ value: `${i}a` }, { value: `${i}b` }] };
        return call(`/topics/${topic}/partitions/0`, { method: "POST", headers: JSON_V2, json });
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const offsets = answers.flatMap(({ json }) => [0, 1].map((i) => Number(at(json, "offsets", i, "offset"))));
    expect(offsets.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2 * WRITERS }, (_, i) => i + 1));
  });

  test("a fetch waits for what another request produces", async () => {
    const topic = uniqueName("waiting");
    await call(`/topics/${topic}/partitions/0`, {
      method: "POST",
      headers: JSON_V2,
      json: { records: [{ value: 0 }] },
    });
    const fetched = call(`/v1/topics/${topic}/partitions/0/records?offset=1&timeout=20000`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await call(`/topics/${topic}/partitions/0`, {
      method: "POST",
      headers: JSON_V2,
      json: { records: [{ value: 1 }] },
    });
    expect(await fetched).toMatchObject({ status: 200, json: { next_offset: 2 } });
  });
});

describe("refusals of the deployed functions", () => {
  test("nobody gets in without a key, or with one that is wrong", async () => {
    expect((await call("/topics", { headers: NO_KEY })).status).toBe(401);
    expect((await call("/topics", { headers: { authorization: "Bearer mr_wrong" } })).status).toBe(401);
  });

  test("a topic that is not there, JSON that is none and a wrong content type have the REST Proxy's numbers", async () => {
    expect(await recordsOf(uniqueName("nothing"))).toMatchObject({ status: 404, json: { error_code: 40401 } });
    const path = `/topics/${uniqueName("bad")}`;
    expect(await call(path, { method: "POST", headers: JSON_V2, body: "{" })).toMatchObject({ status: 400 });
    const wrongType = { "content-type": "text/csv" };
    expect(await call(path, { method: "POST", headers: wrongType, body: "a,b" })).toMatchObject({ status: 415 });
  });

  test("what is produced badly leaves nothing behind", async () => {
    const topic = uniqueName("half");
    const good = { method: "POST", headers: BINARY_V2, json: { records: [{ value: "Z29vZA==" }] } };
    const bad = { method: "POST", headers: BINARY_V2, json: { records: [{ value: "Z29vZA==" }, { value: "%%%" }] } };
    expect((await call(`/topics/${topic}/partitions/0`, good)).status).toBe(200);
    expect((await call(`/topics/${topic}/partitions/0`, bad)).status).toBe(422);
    expect(at((await recordsOf(topic)).json, "next_offset")).toBe(1);
  });
});

/** The bytes of a fetched record, in base64. */
function base64Of(record: unknown): unknown {
  return at(record, "value");
}
