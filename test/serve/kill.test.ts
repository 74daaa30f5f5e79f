import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
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
