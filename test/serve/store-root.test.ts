import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { EMBEDDED_INLINE_BYTES_MAX } from "#lib/util/limits.ts";
import { Embedded } from "./embedded.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { refusal, TemporaryDirectory } from "./serve-process.ts";

/** Too large for the journal. */
const LARGE = "x".repeat(EMBEDDED_INLINE_BYTES_MAX);

/** What may happen to a store's root: what is put in its place, and what must be untouched afterwards. */
const OUTAGES: readonly (readonly [string, (root: string) => void, (root: string) => boolean])[] = [
  ["missing", () => {}, (root) => !existsSync(root)],
  ["a plain file", (root) => writeFileSync(root, ""), (root) => statSync(root).size === 0],
  ["an empty directory", (root) => mkdirSync(root), (root) => readdirSync(root).length === 0],
];

async function expectOutage(connection: KafkaConnection, directory: TemporaryDirectory): Promise<void> {
  const { errorCode, errorMessage } = await produce(connection, { topic: "t" }, batchOf([LARGE]));
  expect(errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  expect(errorMessage).toContain(directory.file("store-0"));
}

test.concurrent.each(OUTAGES)(
  "a store root that is %s is an outage until the right one is back",
  async (_, put, isLeft) => {
    using directory = new TemporaryDirectory();
    const [root, aside] = [directory.file("store-0"), directory.file("aside")];
    {
      await using broker = await Embedded.start(directory.path);
      await using connection = await broker.connect();
      await createTopic(connection, "t");
      expect((await produce(connection, { topic: "t" }, batchOf([`${LARGE}1`]))).errorCode).toBe(ErrorCode.NONE);
      renameSync(root, aside);
      put(root);
      await expectOutage(connection, directory);
      expect(isLeft(root)).toBe(true);
      // Small flushes travel in the journal and need no store.
      expect((await produce(connection, { topic: "t" }, batchOf(["2"]))).errorCode).toBe(ErrorCode.NONE);
    }
    // The same at the start: the broker runs, and makes no root of its own.
    await using broker = await Embedded.start(directory.path);
    await using connection = await broker.connect();
    await expectOutage(connection, directory);
    expect(isLeft(root)).toBe(true);
    rmSync(root, { recursive: true, force: true });
    renameSync(aside, root);
    expect((await produce(connection, { topic: "t" }, batchOf([`${LARGE}3`]))).errorCode).toBe(ErrorCode.NONE);
    expect(await readAll(connection, "t")).toEqual([`${LARGE}1`, "2", `${LARGE}3`]);
  },
);

test.concurrent("another cluster's store in the place of one is an outage, and a mistake at the start", async () => {
  using directory = new TemporaryDirectory();
  using other = new TemporaryDirectory();
  for (const dataDir of [directory.path, other.path]) {
    await using broker = await Embedded.start(dataDir);
    await using connection = await broker.connect();
    await createTopic(connection, "t");
  }
  const root = directory.file("store-0");
  let before: readonly unknown[] = [];
  {
    await using broker = await Embedded.start(directory.path);
    await using connection = await broker.connect();
    rmSync(root, { recursive: true });
    renameSync(other.file("store-0"), root);
    before = readdirSync(root, { recursive: true });
    await expectOutage(connection, directory);
  }
  const starting = Embedded.start(directory.path);
  await expect(starting).rejects.toThrow(`store ${root} holds a store of another cluster: put store 0 back there`);
  expect(readdirSync(root, { recursive: true })).toEqual(before);
});

test.concurrent("a data directory that cannot be made is told, exit status 1", async () => {
  using directory = new TemporaryDirectory();
  const dataDir = directory.file("in-the-way", "data");
  writeFileSync(directory.file("in-the-way"), "");
  const { code, stdout, stderr } = await refusal({ dataDir });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(dataDir);
  expect(stderr).toContain(`file already exists, mkdir '${directory.file("in-the-way")}'`);
  expect(stderr).not.toContain("    at ");
});
