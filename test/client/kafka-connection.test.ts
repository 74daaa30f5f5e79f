import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ConnectionLostError, NoCommonVersionError } from "#lib/client/errors.ts";
import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { type ParsedRequest, parseRequestHeader } from "#lib/protocol/request-header.ts";
import { encodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { defined } from "#lib/util/assert.ts";
import { MIB } from "#lib/util/limits.ts";

type Answer = (request: ParsedRequest, socket: Socket) => void;
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A broker that hands each request to `answer`; returns a connection to it. */
async function connectTo(answer: Answer): Promise<KafkaConnection> {
  const server = createServer((socket) => {
    const frames = new FrameSplitter(MIB);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      for (const frame of frames.push(chunk)) answer(parseRequestHeader(frame), socket);
    });
  });
  servers.push(server);
  return KafkaConnection.open({ host: "127.0.0.1", port: await listening(server), clientId: "test" });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" ? defined(address).port : 0;
}

function metadata(request: ParsedRequest, clusterId: string): Buffer {
  const { apiVersion, correlationId } = request.header;
  return Buffer.concat(
    encodeResponseFrame(Apis.METADATA, { apiVersion, correlationId }, { brokers: [], topics: [], clusterId }),
  );
}

function versions(request: ParsedRequest, apiVersion: number, errorCode: number): Buffer {
  const { correlationId } = request.header;
  const apiKeys = [
    { apiKey: 3, minVersion: 4, maxVersion: 9 },
    { apiKey: 1, minVersion: 18, maxVersion: 30 },
    { apiKey: 0, minVersion: 14, maxVersion: 20 },
  ];
  return Buffer.concat(encodeResponseFrame(Apis.API_VERSIONS, { apiVersion, correlationId }, { errorCode, apiKeys }));
}

describe("a connection", () => {
  test("sends requests without waiting and matches answers that come in another order", async () => {
    const waiting: ParsedRequest[] = [];
    await using connection = await connectTo((request, socket) => {
      waiting.push(request);
      if (waiting.length < 3) return;
      for (const each of waiting.reverse()) socket.write(metadata(each, `answer ${each.header.correlationId}`));
    });
    const answers = await Promise.all(
      [9, 12, 2].map((version) => connection.send(Apis.METADATA, version, { topics: [] })),
    );
    expect(answers.map(({ clusterId }) => clusterId)).toEqual(["answer 1", "answer 2", "answer 3"]);
  });

  test("puts its client id into every request", async () => {
    await using connection = await connectTo((request, socket) => {
      socket.write(metadata(request, String(request.header.clientId)));
    });
    expect((await connection.send(Apis.METADATA, 9, { topics: null })).clusterId).toBe("test");
  });

  test("negotiates the highest version that both sides speak", async () => {
    await using connection = await connectTo((request, socket) => socket.write(versions(request, 3, 0)));
    await connection.negotiate();
    expect([Apis.METADATA, Apis.FETCH].map((api) => connection.versionOf(api))).toEqual([9, 18]);
    expect(() => connection.versionOf(Apis.PRODUCE)).toThrow(NoCommonVersionError);
    expect(() => connection.versionOf(Apis.CREATE_TOPICS)).toThrow("does not offer CreateTopics");
  });

  test("falls back to ApiVersions v0 with a broker that does not know v3", async () => {
    const asked: number[] = [];
    await using connection = await connectTo((request, socket) => {
      asked.push(request.header.apiVersion);
      socket.write(versions(request, 0, request.header.apiVersion === 0 ? 0 : 35));
    });
    await connection.negotiate();
    expect(asked).toEqual([3, 0]);
    expect(connection.versionOf(Apis.METADATA)).toBe(9);
  });

  test("gives up a request when its signal aborts, and goes on", async () => {
    const held: (() => void)[] = [];
    await using connection = await connectTo((request, socket) => {
      held.push(() => socket.write(metadata(request, `answer ${request.header.correlationId}`)));
      if (held.length === 2) for (const answer of held) answer();
    });
    const controller = new AbortController();
    const first = connection.send(Apis.METADATA, 9, { topics: null }, controller.signal);
    controller.abort(new Error("too slow"));
    await expect(first).rejects.toThrow("too slow");
    expect((await connection.send(Apis.METADATA, 9, { topics: null })).clusterId).toBe("answer 2");
  });

  test("fails what is unanswered when the broker hangs up", async () => {
    await using connection = await connectTo((_request, socket) => socket.destroy());
    await expect(connection.send(Apis.METADATA, 9, { topics: null })).rejects.toThrow(ConnectionLostError);
    await expect(connection.send(Apis.METADATA, 9, { topics: null })).rejects.toThrow(ConnectionLostError);
    expect(connection.isOpen).toBe(false);
  });

  test("fails a request that its version cannot say, and sends nothing", async () => {
    let received = 0;
    await using connection = await connectTo((request, socket) => {
      received++;
      socket.write(metadata(request, "x"));
    });
    const impossible = connection.send(Apis.METADATA, 3, { topics: null, allowAutoTopicCreation: false });
    await expect(impossible).rejects.toThrow(ProtocolError);
    await connection.send(Apis.METADATA, 9, { topics: null });
    expect(received).toBe(1);
  });

  test("ends when the broker answers what was not asked, or a frame without measure", async () => {
    for (const bytes of ["0000000400001234", "7fffffff"]) {
      await using connection = await connectTo((_request, socket) => socket.write(Buffer.from(bytes, "hex")));
      await expect(connection.send(Apis.METADATA, 9, { topics: null })).rejects.toThrow(ConnectionLostError);
    }
  });

  test("ends when the broker answers twice", async () => {
    await using connection = await connectTo((request, socket) => {
      if (request.header.correlationId === 1)
        socket.write(Buffer.concat([metadata(request, "a"), metadata(request, "b")]));
    });
    expect((await connection.send(Apis.METADATA, 9, { topics: null })).clusterId).toBe("a");
    await expect(connection.send(Apis.METADATA, 9, { topics: null })).rejects.toThrow("was not sent: 1");
  });

  test("cannot be made where nobody listens", async () => {
    const server = createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const opening = KafkaConnection.open({ host: "127.0.0.1", port, clientId: "test" });
    await expect(opening).rejects.toThrow(`cannot connect to 127.0.0.1:${port}`);
    await expect(opening).rejects.toThrow(ConnectionLostError);
  });

  test("sends Produce with acks=0 without waiting for an answer", async () => {
    const arrived = Promise.withResolvers<number>();
    await using connection = await connectTo((request) => arrived.resolve(request.header.apiKey));
    connection.sendWithoutAnswer(Apis.PRODUCE, 9, { acks: 0, timeoutMs: 0, topicData: [] });
    expect(await arrived.promise).toBe(0);
  });
});
