import { expect, test } from "vitest";
import { ListenError } from "#lib/gateway/listen-error.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame, responseCorrelationId } from "#lib/protocol/response-frame.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { frameOf, RawClient } from "../support/raw-client.ts";

function apiVersionsFrame(correlationId: number): readonly Uint8Array[] {
  return encodeRequestFrame(Apis.API_VERSIONS, { apiVersion: 0, correlationId, clientId: "raw" }, {});
}

function emptyFetchFrame(correlationId: number, maxWaitMs: number): readonly Uint8Array[] {
  return encodeRequestFrame(
    Apis.FETCH,
    { apiVersion: 12, correlationId, clientId: "raw" },
    {
      maxWaitMs,
      minBytes: 1,
      maxBytes: 1_000,
      topics: [
        { topic: "t", topicId: ZERO_UUID, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] },
      ],
      forgottenTopicsData: [],
      rackId: "",
    },
  );
}

test("answers leave in the order of their requests, though a later one is ready first", async () => {
  await using memory = await startMemoryBroker();
  await createTopic(memory, "t");
  using client = await RawClient.open(memory.port);
  client.send(...apiVersionsFrame(1), ...emptyFetchFrame(2, 150), ...apiVersionsFrame(3));
  const answers = await client.receive(3);
  expect(answers.map(responseCorrelationId)).toEqual([1, 2, 3]);
});

test("an unknown version of ApiVersions is answered in version 0 with UNSUPPORTED_VERSION and the list", async () => {
  await using memory = await startMemoryBroker();
  using client = await RawClient.open(memory.port);
  const header = Buffer.alloc(8);
  header.writeInt16BE(Apis.API_VERSIONS.apiKey, 0);
  header.writeInt16BE(99, 2);
  header.writeInt32BE(7, 4);
  client.send(frameOf(header));
  const [answer] = await client.receive(1);
  const response = decodeResponseFrame(Apis.API_VERSIONS, 0, answer ?? new Uint8Array());
  expect(response.errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
  const listed = new Map(
    response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]),
  );
  expect(listed.get(Apis.API_VERSIONS.apiKey)).toEqual([0, 4]);
  expect(listed.get(Apis.PRODUCE.apiKey)).toEqual([0, 13]);
  expect(listed.get(Apis.FETCH.apiKey)).toEqual([4, 18]);
});

const BROKEN_FRAMES: readonly (readonly [string, Uint8Array])[] = [
  ["a negative size", frameOf(new Uint8Array(0), -1)],
  ["a size of 2 GB", frameOf(new Uint8Array(16), 0x7fff_ffff)],
  ["an empty frame", frameOf(new Uint8Array(0))],
  ["an unknown API", frameOf(Buffer.from("7fff000000000001ffff", "hex"))],
  ["a version that Fetch does not have", frameOf(Buffer.from("0001006300000001ffff", "hex"))],
  ["a body that ends too early", frameOf(Buffer.from("0003000c00000001ffff00", "hex"))],
  ["an array of two thousand million topics", frameOf(Buffer.from("0003000000000001ffff7fffffff", "hex"))],
  ["a client id longer than its frame", frameOf(Buffer.from("000300000000000100ff41", "hex"))],
];

test.each(BROKEN_FRAMES)("%s closes that connection with one log line and disturbs nobody else", async (_, frame) => {
  await using memory = await startMemoryBroker();
  using good = await RawClient.open(memory.port);
  using bad = await RawClient.open(memory.port);
  bad.send(frame);
  await bad.closed;
  expect(memory.log.filter(({ message }) => message.startsWith("closing connection"))).toHaveLength(1);
  good.send(...apiVersionsFrame(1));
  expect(await good.receive(1)).toHaveLength(1);
});

test("a frame that is cut off by the client leaves nothing behind", async () => {
  await using memory = await startMemoryBroker();
  {
    using client = await RawClient.open(memory.port);
    client.send(frameOf(new Uint8Array(1_000), 100_000));
    await expect.poll(() => memory.server.receivedBytes).toBe(1_004);
  }
  await expect.poll(() => memory.server.receivedBytes).toBe(0);
});

test("10,000 broken frames leave the memory flat and a good client undisturbed", async () => {
  await using memory = await startMemoryBroker();
  using good = await RawClient.open(memory.port);
  const breakAll = async (count: number): Promise<void> => {
    const clientsAtOnce = 50;
    for (let sent = 0; sent < count; sent += clientsAtOnce) {
      const clients = await Promise.all(Array.from({ length: clientsAtOnce }, () => RawClient.open(memory.port)));
      for (const [at, client] of clients.entries()) {
        const [, frame] = BROKEN_FRAMES[(sent + at) % BROKEN_FRAMES.length] ?? [];
        client.send(frame ?? new Uint8Array());
      }
      await Promise.all(clients.map((client) => client.closed));
      good.send(...apiVersionsFrame(sent));
    }
  };
  await breakAll(1_000);
  collectGarbage();
  const before = process.memoryUsage();
  await breakAll(9_000);
  collectGarbage();
  const after = process.memoryUsage();
  expect(after.heapUsed - before.heapUsed).toBeLessThan(16 * 1024 * 1024);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 * 1024 * 1024);
  expect(memory.server.receivedBytes).toBe(0);
  expect(await good.receive(10_000 / 50)).toHaveLength(200);
}, 60_000);

test("a client that does not read its answers is not read either", async () => {
  await using memory = await startMemoryBroker();
  using client = await RawClient.open(memory.port);
  client.pause();
  const requestCount = 60_000;
  const [frame = new Uint8Array()] = apiVersionsFrame(1);
  for (let sent = 0; sent < requestCount; sent += 1_000) {
    client.send(Buffer.concat(Array.from({ length: 1_000 }, () => frame)));
  }
  // Whatever the kernel holds, we hold no more than a few chunks of requests.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(memory.server.receivedBytes).toBeLessThan(512 * 1024);
  client.resume();
  expect(await client.receive(requestCount)).toHaveLength(requestCount);
});

test("each listener tells its clients its own advertised address", async () => {
  const host = "127.0.0.1";
  await using memory = await startMemoryBroker({
    listeners: [
      { name: "PLAINTEXT", host, port: 0 },
      { name: "OUTSIDE", host, port: 0, advertisedHost: "broker.example.com", advertisedPort: 9999 },
    ],
  });
  const told = await Promise.all(
    memory.listeners.map(async ({ port }) => {
      using client = await RawClient.open(port);
      client.send(
        ...encodeRequestFrame(Apis.METADATA, { apiVersion: 1, correlationId: 1, clientId: null }, { topics: [] }),
      );
      const [answer = new Uint8Array()] = await client.receive(1);
      return decodeResponseFrame(Apis.METADATA, 1, answer).brokers.map((broker) => `${broker.host}:${broker.port}`);
    }),
  );
  expect(told).toEqual([[`127.0.0.1:${memory.port}`], ["broker.example.com:9999"]]);
});

test("a stopping server answers what is under way and takes no more", async () => {
  await using memory = await startMemoryBroker();
  await createTopic(memory, "t");
  using client = await RawClient.open(memory.port);
  client.send(...emptyFetchFrame(1, 200));
  await expect.poll(() => memory.server.receivedBytes).toBeGreaterThan(0);
  const stopped = memory.server.stop(AbortSignal.timeout(5_000));
  expect(await client.receive(1)).toHaveLength(1);
  await stopped;
  await expect(RawClient.open(memory.port)).rejects.toThrow("ECONNREFUSED");
});

test("a port in use is a ListenError that names the address", async () => {
  await using memory = await startMemoryBroker();
  const listeners = [{ name: "PLAINTEXT", host: "127.0.0.1", port: memory.port }];
  const second = startMemoryBroker({ listeners });
  await expect(second).rejects.toThrow(ListenError);
  await expect(second).rejects.toThrow(`127.0.0.1:${memory.port}`);
});

async function createTopic(memory: Awaited<ReturnType<typeof startMemoryBroker>>, name: string): Promise<void> {
  const { topicAdmin } = memory.broker.services;
  const signal = AbortSignal.timeout(5_000);
  const created = await topicAdmin.createTopic(
    { name, partitionCount: 1, replicationFactor: 1, configs: new Map() },
    { validateOnly: false, signal },
  );
  expect(created.kind).toBe("done");
}
