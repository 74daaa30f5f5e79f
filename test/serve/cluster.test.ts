import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { eventually } from "./eventually.ts";
import { freePorts, listenOn } from "./free-ports.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { refusal, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

/** Several processes start one after the other, on a machine that may do other things as well. */
const SLOWLY = { timeout: 120_000 };
const THREE = ["--brokers", "3", "--stores", "3"];

function pidOf(directory: TemporaryDirectory, brokerId: number): number {
  return Number(readFileSync(directory.file(`broker-${brokerId}.pid`), "latin1"));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test(
  "three brokers share a directory, one that dies is started again where it was, and all end together",
  SLOWLY,
  async () => {
    using directory = new TemporaryDirectory();
    const cluster = await ServeProcess.start({ dataDir: directory.path, args: [...THREE, "--http", "127.0.0.1:0"] });
    expect(new Set(await cluster.ready()).size).toBe(3);
    const killed = pidOf(directory, 1);
    process.kill(killed, "SIGKILL");
    await cluster.logged('"broker":1,"exit":"SIGKILL","msg":"broker has ended and is started again"');
    await cluster.logged('"broker":1,"msg":"broker is back"');
    {
      await using again = await cluster.connect(1);
      await createTopic(again, "t");
    }
    const pids = [0, 1, 2].map((brokerId) => pidOf(directory, brokerId));
    expect(pids).not.toContain(killed);
    cluster.child.kill("SIGINT");
    cluster.child.kill("SIGTERM");
    const { code, signal, stdout } = await cluster.ended;
    expect([code, signal]).toEqual([0, null]);
    expect(stdout).toMatch(/^ready kafka=(127\.0\.0\.1:\d+,?){3} http=(127\.0\.0\.1:\d+,?){3}\n$/);
    expect(pids.map(isAlive)).toEqual([false, false, false]);
  },
);

test("brokers whose supervisor is killed end by themselves, in order", SLOWLY, async () => {
  using directory = new TemporaryDirectory();
  await using cluster = await ServeProcess.start({ dataDir: directory.path, args: THREE });
  const pids = [0, 1, 2].map((brokerId) => pidOf(directory, brokerId));
  const { stderr } = await cluster.stop("SIGKILL");
  await eventually(
    () => pids.filter(isAlive),
    (alive) => alive.length === 0,
  );
  for (const broker of [0, 1, 2]) expect(stderr).toMatch(new RegExp(`"broker":${broker},"msg":"stopped"`));
});

test("a broker that cannot start ends the whole with its text, told once", SLOWLY, async () => {
  using directory = new TemporaryDirectory();
  const port = (await freePorts(3)) + 1;
  const server = await listenOn(port);
  const args = [...THREE, "--kafka", `127.0.0.1:${port - 1}`];
  const { code, stdout, stderr } = await refusal({ dataDir: directory.path, args });
  server.close();
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.split("\n").filter((line) => line.startsWith("millrace:"))).toEqual([
    expect.stringContaining(`millrace: broker 1 cannot start: ListenError: cannot listen on 127.0.0.1:${port}`),
    expect.stringContaining("choose another address"),
  ]);
});

test("a damaged journal file ends the whole with one text", SLOWLY, async () => {
  using directory = new TemporaryDirectory();
  writeFileSync(directory.file("journal.sqlite"), "no database");
  const { code, stdout, stderr } = await refusal({ dataDir: directory.path, args: THREE });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.split("\n").filter((line) => line.startsWith("millrace:"))).toEqual([
    expect.stringMatching(/^millrace: broker \d cannot start: .*is not a journal file/),
  ]);
});

test("each broker is one that could be started alone, and the cluster finds its data again", SLOWLY, async () => {
  using directory = new TemporaryDirectory();
  const environment = { MILLRACE_BROKERS: "2", MILLRACE_STORES: "2", MILLRACE_BROKER_CONFIG: "num.partitions=2" };
  {
    await using cluster = await ServeProcess.start({ dataDir: directory.path, environment });
    expect(await cluster.ready()).toHaveLength(2);
    await using connection = await cluster.connect(0);
    await createTopic(connection, "t");
    expect((await produce(connection, { topic: "t" }, batchOf(["a"]))).errorCode).toBe(0);
    expect((await cluster.stop()).code).toBe(0);
  }
  await using alone = await ServeProcess.start({ dataDir: directory.path, args: ["--broker-id", "1"] });
  await using connection = await alone.connect();
  expect(await readAll(connection, "t")).toEqual(["a"]);
});
