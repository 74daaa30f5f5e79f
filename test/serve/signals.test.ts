import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { ROOT, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

test.concurrent("SIGTERM answers the produce under way and exits 0; a second one changes nothing", async () => {
  using directory = new TemporaryDirectory();
  // The second flush waits for the linger, so its request is under way for long enough.
  await using broker = await ServeProcess.start({ dataDir: directory.path, args: ["--linger-ms", "1500"] });
  await using connection = await broker.connect();
  await createTopic(connection, "t");
  await produce(connection, { topic: "t" }, batchOf(["first"]));
  const underWay = [produce(connection, { topic: "t" }, batchOf(["second"]))];
  // Answered, so the broker has read the produce as well.
  await using other = await broker.connect();
  await other.send(Apis.METADATA, 9, { topics: [] });
  broker.child.kill("SIGTERM");
  await broker.logged('"msg":"stopping"');
  broker.child.kill("SIGTERM");
  broker.child.kill("SIGINT");
  const answers = await Promise.all(underWay);
  expect(answers.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual([[ErrorCode.NONE, 1]]);
  const { code, stderr } = await broker.ended;
  expect(code).toBe(0);
  expect(stderr.match(/"msg":"stopping"/g)).toHaveLength(1);
  await using again = await ServeProcess.start({ dataDir: directory.path });
  await using reader = await again.connect();
  expect(await readAll(reader, "t")).toEqual(["first", "second"]);
});

test.concurrent("SIGINT stops a broker with idle clients at once", async () => {
  using directory = new TemporaryDirectory();
  await using broker = await ServeProcess.start({ dataDir: directory.path });
  await using connection = await broker.connect();
  const began = performance.now();
  expect((await broker.stop("SIGINT")).code).toBe(0);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(connection.isOpen).toBe(false);
});

test.concurrent("what is not answered within the drain's time is cut off", async () => {
  using directory = new TemporaryDirectory();
  await using broker = await ServeProcess.start({ dataDir: directory.path, args: ["--drain-ms", "300"] });
  await using connection = await broker.connect();
  await createTopic(connection, "t");
  const poll = connection.send(Apis.FETCH, 12, {
    maxWaitMs: 60_000,
    minBytes: 1,
    topics: [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] }],
    forgottenTopicsData: [],
  });
  const cut = poll.then(
    () => "answered",
    (error: Error) => error.message,
  );
  await using other = await broker.connect();
  await other.send(Apis.METADATA, 9, { topics: [] });
  expect((await broker.stop()).code).toBe(0);
  expect(await cut).toContain("connection closed");
});

test.concurrent("a signal during the start stops the broker with exit status 0", async () => {
  using directory = new TemporaryDirectory();
  await using broker = ServeProcess.spawn({ dataDir: directory.path });
  await broker.logged('"msg":"starting"');
  const { code, signal } = await broker.stop();
  expect([code, signal]).toEqual([0, null]);
});

test.concurrent("a signal ends a start that waits for a service that does not answer", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const endpoint = `endpoint=http://127.0.0.1:${portOf(silent)}`;
  const place = ["--store", `s3://bucket?${endpoint}`, "--journal", `dynamodb://table?${endpoint}`];
  const credentials = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_REGION: "us-east-1" };
  const main = join(ROOT, "bin/millrace.ts");
  const args = ["serve", ...place, "--kafka", "127.0.0.1:0", "--drain-ms", "300"];
  await using broker = new ServeProcess([process.execPath, main, ...args], credentials);
  await broker.logged('"msg":"starting"');
  const { code, signal, stderr } = await broker.stop();
  expect([code, signal]).toEqual([0, null]);
  expect(stderr).toContain("stopped before it had started");
  silent.close();
});

test.concurrent("SIGTERM to npm start is one to the broker", async () => {
  using directory = new TemporaryDirectory();
  const port = await freePort();
  const args = ["--data-dir", directory.path, "--kafka", `127.0.0.1:${port}`];
  // The packaged Node comes first, as npm puts it there itself.
  const PATH = `${dirname(process.execPath)}:${process.env["PATH"]}`;
  await using npm = new ServeProcess(["npm", "--silent", "start", "--", ...args], { PATH });
  expect(await npm.ready()).toEqual([`127.0.0.1:${port}`]);
  const { code, stdout, stderr } = await npm.stop();
  expect(stderr).toContain('"msg":"stopped"');
  expect([code, stdout]).toEqual([0, `ready kafka=127.0.0.1:${port}\n`]);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}
