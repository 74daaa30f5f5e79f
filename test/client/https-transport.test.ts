import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { ConnectionLostError, HttpRefusedError } from "#lib/client/errors.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { parseRequestHeader } from "#lib/protocol/request-header.ts";
import { encodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const NEVER = new AbortController().signal;
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Asked {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
}
type Answer = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

async function doorThat(answer: Answer): Promise<{ readonly url: URL; readonly server: Server }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    // A client that leaves in the middle of its request is not heard to its end.
    request.on("error", () => {});
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(parseRequestHeader(Buffer.concat(chunks).subarray(4)).header, response, request));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { server, url: new URL(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`) };
}

const connectTo = ({ url }: { readonly url: URL }) => KafkaConnection.overHttps({ url }, "t");
const ask = (connection: KafkaConnection) => connection.send(Apis.METADATA, 9, { topics: [] });

function metadata({ apiVersion, correlationId }: Asked, clusterId = "c"): Buffer {
  const answer = { brokers: [], topics: [], clusterId };
  return Buffer.concat([...encodeResponseFrame(Apis.METADATA, { apiVersion, correlationId }, answer)]);
}

test.each([
  ["a proxy's page", () => Buffer.from("<html>Please log in</html>")],
  ["less than a size", () => Buffer.from("ok")],
  ["nothing", () => Buffer.alloc(0)],
  ["a frame without its end", (asked: Asked) => metadata(asked).subarray(0, -1)],
  ["more than a frame", (asked: Asked) => Buffer.concat([metadata(asked), Buffer.of(0)])],
])("a 200 with %s loses the connection instead of waiting for more", async (_, bodyOf) => {
  await using connection = connectTo(await doorThat((asked, response) => response.end(bodyOf(asked))));
  const asking = ask(connection);
  await expect(asking).rejects.toThrow(ConnectionLostError);
  await expect(asking).rejects.toThrow("something else than a response of Kafka's protocol");
});

test("an answer larger than any frame is not waited for", async () => {
  const door = await doorThat((_, response) => {
    response.writeHead(200, { "content-length": REQUEST_BYTES_MAX + 5 });
    response.write(Buffer.alloc(10));
  });
  await using connection = connectTo(door);
  await expect(ask(connection)).rejects.toThrow(ConnectionLostError);
});

test("one lost request rejects all that wait, and no socket stays", async () => {
  const held: ServerResponse[] = [];
  const door = await doorThat((_, response) => {
    held.push(response);
    if (held.length === 5) response.writeHead(503).end('{"error_code":50302,"message":"no store"}');
  });
  const connection = connectTo(door);
  const asked = await Promise.allSettled(Array.from({ length: 5 }, () => ask(connection)));
  expect(asked.map((each) => each.status === "rejected" && each.reason instanceof ConnectionLostError)).toEqual(
    Array.from({ length: 5 }, () => true),
  );
  expect(connection.isOpen).toBe(false);
  const connections = () => new Promise((resolve) => door.server.getConnections((_, count) => resolve(count)));
  await expect.poll(connections).toBe(0);
});

test("a redirect is told with its place, and not followed with the key", async () => {
  const door = await doorThat((_, response) => response.writeHead(308, { location: "https://elsewhere.test/" }).end());
  await using connection = connectTo(door);
  const asking = ask(connection);
  await expect(asking).rejects.toThrow(HttpRefusedError);
  await expect(asking).rejects.toThrow("answers 308 (moved to https://elsewhere.test/)");
});

test("what has no answer counts as delivered when the door says so, not when a later request is answered", async () => {
  const produced = deferred<ServerResponse>();
  const door = await doorThat((asked, response) => {
    if (asked.apiKey === Apis.PRODUCE.apiKey) produced.resolve(response);
    else response.end(metadata(asked));
  });
  await using connection = connectTo(door);
  const request = { transactionalId: null, acks: 0, timeoutMs: 1, topicData: [] };
  connection.sendWithoutAnswer(Apis.PRODUCE, 9, request);
  let isDelivered = false;
  const delivery = connection.delivered(NEVER).then(() => {
    isDelivered = true;
  });
  await ask(connection);
  expect(isDelivered).toBe(false);
  (await produced.promise).writeHead(204).end();
  await delivery;
  await connection.delivered(NEVER);
});

test("what has no answer and is lost is told to whoever waits for it", async () => {
  await using connection = connectTo(await doorThat((_, __, request) => request.socket.destroy()));
  connection.sendWithoutAnswer(Apis.PRODUCE, 9, { transactionalId: null, acks: 0, timeoutMs: 1, topicData: [] });
  await expect(connection.delivered(NEVER)).rejects.toThrow(ConnectionLostError);
});

test("a kept connection that the door has just closed is a lost request, which a retry sends again", async () => {
  const seen = new Set<unknown>();
  const door = await doorThat((asked, response, request) => {
    // The second request of each connection meets its end.
    if (seen.has(request.socket)) request.socket.resetAndDestroy();
    seen.add(request.socket);
    if (asked.apiKey !== Apis.API_VERSIONS.apiKey) response.end(metadata(asked));
    else {
      const apiKeys = [{ apiKey: Apis.METADATA.apiKey, minVersion: 4, maxVersion: 9 }];
      const frame = encodeResponseFrame(Apis.API_VERSIONS, asked, { errorCode: 0, apiKeys });
      response
        .writeHead(200, { connection: seen.size % 2 === 0 ? "close" : "keep-alive" })
        .end(Buffer.concat([...frame]));
    }
  });
  const options = { clientId: "t", clock: new SystemClock(), random: new SeededRandom(1) };
  await using client = new KafkaClient({ bootstrap: { url: door.url }, ...options });
  const once = () => client.send(Apis.METADATA, { topics: [] }, { signal: NEVER });
  const lost: Error[] = [];
  const limits = { timeoutMs: 10_000, signal: NEVER, onRetry: (error: Error) => lost.push(error) };
  expect(await client.retrying(once, limits)).toMatchObject({ clusterId: "c" });
  expect(lost[0]).toBeInstanceOf(ConnectionLostError);
});
