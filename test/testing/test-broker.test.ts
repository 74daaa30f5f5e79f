import { createServer } from "node:net";
import { Kafka, logLevel } from "kafkajs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { type LogLine, TestBroker, type TestBrokerOptions } from "#lib/testing.ts";
import { batchOf, produce as produceBatch, readAll } from "../serve/kafka-calls.ts";
import { RawClient } from "../support/raw-client.ts";

const clientOf = ({ bootstrapServers }: TestBroker): Kafka =>
  new Kafka({ brokers: [bootstrapServers], logLevel: logLevel.NOTHING });

/** What clients see: each topic with the number of its partitions. */
async function topicsOf(broker: TestBroker): Promise<Readonly<Record<string, number>>> {
  const admin = clientOf(broker).admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata();
  await admin.disconnect();
  return Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions.length]));
}

async function produce(broker: TestBroker, topic: string, values: readonly string[]) {
  const producer = clientOf(broker).producer({ retry: { retries: 0 } });
  await producer.connect();
  try {
    return await producer.send({ topic, messages: values.map((value) => ({ value })) });
  } finally {
    await producer.disconnect();
  }
}

/** The text of the error with which a start fails. */
const faultOf = async (options: TestBrokerOptions): Promise<string> => {
  const error = await TestBroker.start(options).then(
    (broker) => broker.stop().then(() => "it started"),
    (reason: unknown) => reason,
  );
  return String(error);
};

afterEach(() => {
  vi.useRealTimers();
});

describe("a TestBroker", () => {
  test("answers where it listens, and takes records there", async () => {
    await using broker = await TestBroker.start({ topics: ["orders"] });
    expect(broker.bootstrapServers).toBe(`127.0.0.1:${broker.port}`);
    expect(broker.port).toBeGreaterThan(0);
    expect(await produce(broker, "orders", ["book"])).toMatchObject([{ errorCode: 0, baseOffset: "0" }]);
  });

  test("creates topics by name, with partitions and with configs", async () => {
    const compacted = { name: "prices", partitions: 3, configs: { "cleanup.policy": "compact" } };
    await using broker = await TestBroker.start({ topics: ["orders", compacted], configs: { "num.partitions": 2 } });
    expect(await topicsOf(broker)).toEqual({ orders: 2, prices: 3 });
  });

  test("takes broker configs as an object and as a Map", async () => {
    const configs = { "auto.create.topics.enable": false };
    await using strict = await TestBroker.start({ configs });
    await using alike = await TestBroker.start({ configs: new Map(Object.entries(configs)) });
    for (const broker of [strict, alike]) {
      await expect(produce(broker, "orders", ["book"])).rejects.toThrow("does not host this topic-partition");
    }
  });

  test("runs beside others, each with its own records", async () => {
    const brokers = await Promise.all(
      [1, 2, 3].map((partitions) => TestBroker.start({ topics: [{ name: "t", partitions }] })),
    );
    await Promise.all(brokers.map((broker) => produce(broker, "t", ["x"])));
    expect(new Set(brokers.map(({ port }) => port)).size).toBe(3);
    expect(await Promise.all(brokers.map(topicsOf))).toEqual([{ t: 1 }, { t: 2 }, { t: 3 }]);
    await Promise.all(brokers.map((broker) => broker.stop()));
  });

  test("starts on a port that is given, and again when it is free", async () => {
    const first = await TestBroker.start();
    await first.stop();
    await using second = await TestBroker.start({ port: first.port });
    expect(second.port).toBe(first.port);
  });

  test("writes nothing anywhere, and gives its log to whoever asks", async () => {
    const written = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write"));
    const lines: LogLine[] = [];
    await using broker = await TestBroker.start({ log: (line) => lines.push(line) });
    using client = await RawClient.open(broker.port);
    client.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    await client.closed;
    expect(lines.filter(({ level }) => level !== "debug")).toMatchObject([
      { level: "warn", message: "closing connection: bad request" },
    ]);
    for (const write of written) {
      expect(write).not.toHaveBeenCalled();
      write.mockRestore();
    }
  });

  test("goes on while the test has fake timers in place of the real ones", async () => {
    await using broker = await TestBroker.start({ topics: ["orders"] });
    vi.useFakeTimers();
    await using connection = await KafkaConnection.open({ host: broker.host, port: broker.port, clientId: "test" });
    await connection.negotiate();
    for (const baseOffset of [0, 1]) {
      const answer = await produceBatch(connection, { topic: "orders" }, batchOf(["book"]));
      expect(answer).toMatchObject({ errorCode: 0, baseOffset });
    }
    expect(await readAll(connection, "orders")).toEqual(["book", "book"]);
  });
});

describe("the start of a TestBroker names what it cannot use", () => {
  test.each<[string, TestBrokerOptions, RegExp]>([
    [
      "a config that nobody knows",
      { configs: { "auto.create.topic": true } },
      /Unknown broker config name: auto\.create\.topic$/,
    ],
    ["a config with a bad value", { configs: { "num.partitions": "many" } }, /many for configuration num\.partitions/],
    [
      "a config that an option decides",
      { configs: { listeners: "PLAINTEXT://:1" } },
      /listeners cannot be set here: .*port/,
    ],
    ["a topic's name", { topics: ["a/b"] }, /topic a\/b: Topic name is invalid/],
    ["a topic that stands twice", { topics: ["a", "a"] }, /topic a: Topic 'a' already exists/],
    ["a topic config", { topics: [{ name: "a", configs: { "no.such": 1 } }] }, /topic a: .*no\.such/],
    ["a number of partitions", { topics: [{ name: "a", partitions: 0 }] }, /topic a: Number of partitions/],
    ["a port", { port: 70_000 }, /port: 70000 is not usable/],
  ])("%s", async (_, options, text) => {
    expect(await faultOf(options)).toMatch(text);
  });

  test("an option that there is not", async () => {
    const slip = { config: {} } as object;
    expect(await faultOf(slip)).toMatch(/config: no such option; there are port, configs, topics, log$/);
  });

  test("a port that is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(await faultOf({ port })).toContain(`cannot listen on 127.0.0.1:${port}`);
    server.close();
  });
});

describe("the stop of a TestBroker", () => {
  test("ends within a second while clients are connected and wait for records", async () => {
    const broker = await TestBroker.start({ topics: ["orders"] });
    await using connection = await KafkaConnection.open({ host: broker.host, port: broker.port, clientId: "test" });
    const waiting = connection.send(Apis.FETCH, 11, {
      maxWaitMs: 60_000,
      minBytes: 1,
      topics: [{ topic: "orders", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] }],
    });
    const cutOff = expect(waiting).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startedAtMs = performance.now();
    await broker.stop();
    expect(performance.now() - startedAtMs).toBeLessThan(1_500);
    await cutOff;
  });

  test("twice is once", async () => {
    const broker = await TestBroker.start();
    expect(broker.stop()).toBe(broker.stop());
    await broker.stop();
    await expect(KafkaConnection.open({ host: broker.host, port: broker.port, clientId: "test" })).rejects.toThrow();
  });
});
