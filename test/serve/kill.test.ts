import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { eventually } from "./eventually.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

const PARTITIONS = 3;

/** Produces one numbered record after the other until the broker is gone; what was acknowledged, and what was not. */
async function produceUntilKilled(connection: KafkaConnection, partition: number, padding: string) {
  const acknowledged: string[] = [];
  for (;;) {
    const value = `${partition}-${acknowledged.length}${padding}`;
    try {
      const { errorCode, baseOffset } = await produce(connection, { topic: "t", partition }, batchOf([value]));
      expect([errorCode, baseOffset]).toEqual([ErrorCode.NONE, acknowledged.length]);
    } catch (error) {
      if (connection.isOpen) throw error;
      return { acknowledged, unclear: value };
    }
    acknowledged.push(value);
  }
}

test.concurrent.each([
  ["inlined in the journal", ""],
  ["in objects", "x".repeat(20_000)],
])("after kill -9 every acknowledged record is there in order, %s", async (_, padding) => {
  using directory = new TemporaryDirectory();
  const options = { dataDir: directory.path };
  await using killed = await ServeProcess.start(options);
  await using connection = await killed.connect();
  await createTopic(connection, "t", PARTITIONS);
  const producing = Array.from({ length: PARTITIONS }, (_each, at) => produceUntilKilled(connection, at, padding));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await killed.stop("SIGKILL");
  const produced = await Promise.all(producing);
  expect(produced.every(({ acknowledged }) => acknowledged.length > 0)).toBe(true);
  // At once, on the same directory: the dead process's lock is gone with it.
  await using restarted = await ServeProcess.start(options);
  await using reader = await restarted.connect();
  for (const [partition, { acknowledged, unclear }] of produced.entries()) {
    const found = await readAll(reader, "t", partition);
    expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
    // At most the one without an answer may have made it too.
    expect([[], [unclear]]).toContainEqual(found.slice(acknowledged.length));
  }
});

test.concurrent("a broker that is killed has saved its compiled code for the next start", async () => {
  using directory = new TemporaryDirectory();
  const environment = { TMPDIR: directory.path, NODE_COMPILE_CACHE: "" };
  const folder = directory.file("node-compile-cache");
  await using broker = await ServeProcess.start({ dataDir: directory.file("data"), environment });
  const countFiles = () =>
    existsSync(folder)
      ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile()).length
      : 0;
  expect(countFiles()).toBe(0);
  // One file for each source: hundreds.
  await eventually(countFiles, (count) => count > 100);
  await broker.stop("SIGKILL");
});
