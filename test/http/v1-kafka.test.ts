import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { HttpRefusedError } from "#lib/client/errors.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { topicMetadata } from "#lib/client/topic-metadata.ts";
import type { HttpAuthenticator, HttpOperation, HttpResource } from "#lib/http/access.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { type TopicId, ZERO_UUID } from "#lib/util/branded.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { HttpWorld } from "./http-world.ts";

const NEVER = new AbortController().signal;

/** What the caller may do, for a test to set. */
let may: (operation: HttpOperation, resource: HttpResource) => boolean = () => true;
const auth: HttpAuthenticator = {
  authenticate: async () => ({ name: "test", may: (operation, resource) => may(operation, resource) }),
};

let world: HttpWorld;
let server: ReturnType<typeof serve>;
let client: KafkaClient;

beforeAll(async () => {
  world = await HttpWorld.start({ auth });
  await world.createTopic("orders", 2);
  await world.createTopic("secrets");
  server = serve({ fetch: world.app.fetch, port: 0, hostname: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const bootstrap = { url: new URL(`http://127.0.0.1:${port}/`) };
  client = new KafkaClient({ bootstrap, clientId: "t", clock: new SystemClock(), random: new SeededRandom(1) });
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  server.close();
  await world[Symbol.asyncDispose]();
});

const grant = (...granted: readonly string[]) => {
  may = (operation, { kind, name }) => granted.includes(`${operation} ${kind}${name === "" ? "" : ` ${name}`}`);
};

describe("our own client over HTTP", () => {
  test("does what it does over TCP", async () => {
    may = () => true;
    const [topic] = await topicMetadata(client, ["orders"], NEVER);
    expect(topic).toMatchObject({ name: "orders", partitions: [{}, {}] });
    const destination = { nodeId: 0, signal: NEVER };
    const created = await client.send(
      Apis.CREATE_TOPICS,
      {
        topics: [{ name: "made", numPartitions: 1, replicationFactor: -1, assignments: [], configs: [] }],
        timeoutMs: 5_000,
      },
      destination,
    );
    expect(created.topics[0]?.errorCode).toBe(ErrorCode.NONE);
    const listed = await client.send(
      Apis.LIST_OFFSETS,
      { replicaId: -1, topics: [{ name: "made", partitions: [{ partitionIndex: 0, timestamp: -1 }] }] },
      destination,
    );
    expect(listed.topics[0]?.partitions[0]?.offset).toBe(0);
  });

  test("answers many requests at once, each its own", async () => {
    may = () => true;
    const names = Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? "orders" : "secrets"));
    const found = await Promise.all(names.map((name) => topicMetadata(client, [name], NEVER)));
    expect(found.map(([topic]) => topic?.name)).toEqual(names);
  });
});

describe("a key of few rights", () => {
  test("is let through for its own topics and refused for others by a text", async () => {
    grant("describe topic orders");
    expect((await topicMetadata(client, ["orders"], NEVER))[0]?.name).toBe("orders");
    const refused = topicMetadata(client, ["secrets"], NEVER);
    await expect(refused).rejects.toThrow(HttpRefusedError);
    await expect(topicMetadata(client, ["secrets"], NEVER)).rejects.toThrow(
      "answers 403: This key has no right to describe topic secrets.",
    );
    await expect(topicMetadata(client, null, NEVER)).rejects.toThrow("This key has no right to alter the cluster.");
  });

  test("changes nothing of the cluster", async () => {
    grant("describe topic orders", "read topic orders", "write topic orders", "describe cluster");
    const deletion = client.send(
      Apis.DELETE_TOPICS,
      { topics: [{ name: "orders", topicId: ZERO_UUID }], topicNames: ["orders"], timeoutMs: 1_000 },
      { signal: NEVER },
    );
    await expect(deletion).rejects.toThrow("This key has no right to alter the cluster.");
    may = () => true;
    expect((await topicMetadata(client, ["orders"], NEVER))[0]?.partitions).toHaveLength(2);
  });

  test("needs the right for a topic that it names by its id", async () => {
    may = () => true;
    const topicId = (await topicMetadata(client, ["secrets"], NEVER))[0]?.topicId;
    grant("describe topic orders", "read topic orders");
    const fetch = (versionMax: number) =>
      client.sendAs(
        Apis.FETCH,
        () => ({
          maxWaitMs: 0,
          minBytes: 0,
          topics: [
            {
              topic: "secrets",
              topicId: topicId ?? ZERO_UUID,
              partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }],
            },
          ],
          forgottenTopicsData: [],
        }),
        { signal: NEVER, versionMax },
      );
    await expect(fetch(12)).rejects.toThrow("This key has no right to read topic secrets.");
    await expect(fetch(17)).rejects.toThrow("This key has no right to read topic secrets.");
  });
});

describe("a key of few rights finds no way around them", () => {
  const ask = (topics: readonly { name: string; topicId?: TopicId }[], allowAutoTopicCreation = false) =>
    client.send(
      Apis.METADATA,
      { topics: topics.map(({ name, topicId = ZERO_UUID }) => ({ name, topicId })), allowAutoTopicCreation },
      { signal: NEVER },
    );

  test("by a name of its own before the id of another's topic", async () => {
    may = () => true;
    const topicId = (await topicMetadata(client, ["secrets"], NEVER))[0]?.topicId ?? ZERO_UUID;
    grant("describe topic orders");
    await expect(ask([{ name: "orders", topicId }])).rejects.toThrow("no right to describe topic secrets");
  });

  test("makes no topic by asking for it", async () => {
    grant("describe topic new", "describe topic orders");
    await expect(ask([{ name: "new" }], true)).rejects.toThrow("no right to create topic new");
    expect((await ask([{ name: "orders" }], true)).topics[0]?.errorCode).toBe(ErrorCode.NONE);
    expect((await ask([{ name: "new" }])).topics[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    grant("describe topic new", "create topic new");
    expect((await ask([{ name: "new" }], true)).topics[0]?.errorCode).toBe(ErrorCode.NONE);
  });

  test("does not learn of topics by a subscription", async () => {
    grant("read group own", "describe topic orders");
    const subscribe = (subscription: { subscribedTopicNames?: string[]; subscribedTopicRegex?: string }) =>
      client.send(
        Apis.CONSUMER_GROUP_HEARTBEAT,
        {
          groupId: "own",
          memberId: "AAAAAAAAAAAAAAAAAAAAAQ",
          memberEpoch: 0,
          rebalanceTimeoutMs: 5_000,
          subscribedTopicNames: null,
          topicPartitions: [],
          ...subscription,
        },
        { signal: NEVER },
      );
    await expect(subscribe({ subscribedTopicRegex: ".*" })).rejects.toThrow("no right to describe topic *");
    await expect(subscribe({ subscribedTopicNames: ["secrets"] })).rejects.toThrow("describe topic secrets");
    expect((await subscribe({ subscribedTopicNames: ["orders"] })).errorCode).toBe(ErrorCode.NONE);
  });

  test("by a group without a name", async () => {
    grant("read group own");
    const offsetsOf = (groupId: string, versionMax: number) =>
      client.sendAs(
        Apis.OFFSET_FETCH,
        (version) => (version < 8 ? { groupId, topics: null } : { groups: [{ groupId, topics: null }] }),
        { signal: NEVER, versionMax },
      );
    for (const version of [7, 9]) {
      expect(await offsetsOf("own", version)).toMatchObject({ throttleTimeMs: 0 });
      await expect(offsetsOf("", version)).rejects.toThrow("no right to read the group");
    }
  });
});

test.each([4, 12, 17])("Fetch v%i is answered with as much as other answers have", async (apiVersion) => {
  const bytesMax = 100_000;
  await using small = await HttpWorld.start({ settings: { binaryBytesMax: bytesMax } });
  await small.createTopic("large");
  const headers = { "content-type": "application/octet-stream" };
  const batch = buildBatch([{ key: null, value: Buffer.alloc(30_000), timestampMs: 1 }]);
  for (let at = 0; at < 6; at++) await small.post("/v1/topics/large/partitions/0/records", batch.slice(), headers);
  const topicId = small.broker.broker.services.cluster.topicByName("large")?.topicId ?? ZERO_UUID;
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000_000 }];
  const topics = [apiVersion < 13 ? { topic: "large", partitions } : { topicId, partitions }];
  const request = { maxWaitMs: 0, minBytes: 0, maxBytes: 10_000_000, topics, forgottenTopicsData: [] };
  const frame = encodeRequestFrame(Apis.FETCH, { apiVersion, correlationId: 1, clientId: "t" }, request);
  const body = Buffer.concat([...frame]);
  const answer = await small.request("/v1/kafka", { method: "POST", headers, body });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const { responses } = decodeResponseFrame(Apis.FETCH, apiVersion, bytes.subarray(4));
  const { byteLength = 0 } = responses[0]?.partitions[0]?.records ?? {};
  expect(byteLength).toBeGreaterThan(bytesMax / 2);
  expect(byteLength).toBeLessThanOrEqual(bytesMax);
});

describe("a body that is no request", () => {
  const post = (body: Uint8Array) =>
    world.json("/v1/kafka", {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: Uint8Array.from(body),
    });

  test.each([
    ["empty", new Uint8Array()],
    ["shorter than it says", Uint8Array.of(0, 0, 0, 9, 1)],
    ["longer than it says", Uint8Array.of(0, 0, 0, 1, 1, 1)],
  ])("is 400: %s", async (_, body) => {
    may = () => true;
    expect((await post(body)).status).toBe(400);
  });

  test("is 400: of an API that is not served, or cut in the middle", async () => {
    may = () => true;
    expect((await post(Uint8Array.of(0, 0, 0, 10, 0, 4, 0, 0, 0, 0, 0, 1, 255, 255))).status).toBe(400);
    const header = { apiVersion: 9, correlationId: 1, clientId: "t" };
    const whole = Buffer.concat([...encodeRequestFrame(Apis.METADATA, header, { topics: [{ name: "orders" }] })]);
    const cut = Buffer.from(whole.subarray(0, -3));
    cut.writeInt32BE(cut.byteLength - 4);
    expect((await post(cut)).status).toBe(400);
    grant();
    expect((await post(cut)).status).toBe(400);
  });

  test("Produce without acknowledgement is 204", async () => {
    may = () => true;
    const header = { apiVersion: 9, correlationId: 1, clientId: "t" };
    const records = buildBatch([{ key: null, value: Buffer.from("v"), timestampMs: 1_790_000_000_000, headers: [] }]);
    const request = {
      transactionalId: null,
      acks: 0,
      timeoutMs: 1_000,
      topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }],
    };
    const answer = await post(Buffer.concat([...encodeRequestFrame(Apis.PRODUCE, header, request)]));
    expect(answer.status).toBe(204);
  });
});
