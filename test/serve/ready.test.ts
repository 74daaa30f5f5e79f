import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { refusal, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

test.concurrent("one line on stdout says where clients may connect, and nothing else is there", async () => {
  using directory = new TemporaryDirectory();
  await using broker = await ServeProcess.start({ dataDir: directory.file("data") });
  const [address] = await broker.ready();
  {
    await using connection = await broker.connect();
    await createTopic(connection, "t");
    expect((await produce(connection, { topic: "t" }, batchOf(["a"]))).errorCode).toBe(0);
    expect(await readAll(connection, "t")).toEqual(["a"]);
  }
  const { code, stdout } = await broker.stop();
  expect(stdout).toBe(`ready kafka=${address}\n`);
  expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  expect(code).toBe(0);
  expect(existsSync(directory.file("data", "store-0"))).toBe(true);
});

test.concurrent("several listeners stand in the line in their order, each with what it advertises", async () => {
  using directory = new TemporaryDirectory();
  const args = ["--kafka", "IN=127.0.0.1:0", "--kafka", "OUT=127.0.0.1:0", "--advertise", "OUT=example.com:9999"];
  await using broker = await ServeProcess.start({ dataDir: directory.path, args });
  const addresses = await broker.ready();
  expect(addresses).toHaveLength(2);
  const told = await Promise.all(
    addresses.map(async (_, at) => {
      await using connection = await broker.connect(at);
      const { brokers } = await connection.send(Apis.METADATA, 9, { topics: [] });
      return brokers.map(({ host, port }) => `${host}:${port}`);
    }),
  );
  expect(told).toEqual([[addresses[0]], ["example.com:9999"]]);
});

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1"));

test
  .runIf(hasIpv6)
  .concurrent("an IPv6 listener is named in brackets, and clients hear of it without them", async () => {
    using directory = new TemporaryDirectory();
    await using broker = await ServeProcess.start({ dataDir: directory.path, args: ["--kafka", "[::1]:0"] });
    const [address = ""] = await broker.ready();
    expect(address).toMatch(/^\[::1\]:\d+$/);
    await using connection = await broker.connect();
    const { brokers } = await connection.send(Apis.METADATA, 9, { topics: [] });
    expect(brokers.map(({ host, port }) => [host, `[${host}]:${port}`])).toEqual([["::1", address]]);
  });

test.concurrent("a port in use is told with its address, exit status 1", async () => {
  using directory = new TemporaryDirectory();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const address = `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
  const { code, stdout, stderr } = await refusal({ dataDir: directory.path, args: ["--kafka", address] });
  server.close();
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`cannot listen on ${address}`);
  expect(stderr).toContain("EADDRINUSE");
});

test.concurrent("a second process with the same broker id and data is refused and names the first", async () => {
  using directory = new TemporaryDirectory();
  await using first = await ServeProcess.start({ dataDir: directory.path });
  const { code, stdout, stderr } = await refusal({ dataDir: directory.path });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`is held by process ${first.child.pid}: stop it first`);
  await using connection = await first.connect();
  await createTopic(connection, "t");
});
