import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { EMBEDDED_INLINE_BYTES_MAX } from "#lib/util/limits.ts";
import { Embedded } from "./embedded.ts";
import { eventually } from "./eventually.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { refusal, TemporaryDirectory } from "./serve-process.ts";

/** Too large for the journal, so it goes to the stores. */
const LARGE = "x".repeat(EMBEDDED_INLINE_BYTES_MAX);

async function replicasOf(connection: KafkaConnection, topic: string): Promise<number> {
  const { topics } = await connection.send(Apis.METADATA, 9, { topics: [{ name: topic }] });
  return topics[0]?.partitions[0]?.replicaNodes.length ?? 0;
}

async function produced(connection: KafkaConnection, topic: string, value: string): Promise<number> {
  return (await produce(connection, { topic }, batchOf([value]))).errorCode;
}

/** Objects of all kinds in a store but its marker. */
function objectsIn(root: string): number {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.filter(({ name }) => name !== "marker.json").length;
}

test.concurrent("a first start makes the stores, later ones find them", async () => {
  using directory = new TemporaryDirectory();
  {
    await using broker = await Embedded.start(directory.path, { stores: "3" });
    await using connection = await broker.connect();
    await createTopic(connection, "t");
    expect(await replicasOf(connection, "t")).toBe(3);
    expect(await produced(connection, "t", `${LARGE}1`)).toBe(ErrorCode.NONE);
  }
  expect([0, 1, 2, 3].map((id) => existsSync(directory.file(`store-${id}`)))).toEqual([true, true, true, false]);
  await using broker = await Embedded.start(directory.path);
  await using connection = await broker.connect();
  await createTopic(connection, "u");
  expect(await replicasOf(connection, "u")).toBe(3);
  expect(await readAll(connection, "t")).toEqual([`${LARGE}1`]);
});

test.concurrent("more stores than there are make new ones, and nothing moves", async () => {
  using directory = new TemporaryDirectory();
  {
    await using broker = await Embedded.start(directory.path);
    await using connection = await broker.connect();
    await createTopic(connection, "old");
    expect(await produced(connection, "old", `${LARGE}1`)).toBe(ErrorCode.NONE);
  }
  const before = objectsIn(directory.file("store-0"));
  await using broker = await Embedded.start(directory.path, { stores: "3" });
  await using connection = await broker.connect();
  expect(await readAll(connection, "old")).toEqual([`${LARGE}1`]);
  expect(await replicasOf(connection, "old")).toBe(1);
  expect([objectsIn(directory.file("store-0")), objectsIn(directory.file("store-1"))]).toEqual([before, 0]);
  await createTopic(connection, "new");
  expect(await replicasOf(connection, "new")).toBe(3);
});

test.concurrent("fewer stores than the journal knows are refused, exit status 1", async () => {
  using directory = new TemporaryDirectory();
  {
    await using _broker = await Embedded.start(directory.path, { stores: "3" });
  }
  const { code, stdout, stderr } = await refusal({ dataDir: directory.path, args: ["--stores", "2"] });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("--stores 2 is fewer than the 3 stores of this cluster: name 3 or more, or leave it out");
});

const AWAY: readonly (readonly [string, (root: string) => void])[] = [
  ["missing", () => {}],
  ["a plain file", (root) => writeFileSync(root, "")],
  ["an empty directory", (root) => mkdirSync(root)],
];

test.concurrent.each(AWAY)("a store that is %s at the start is warned about and needed by nobody", async (_, put) => {
  using directory = new TemporaryDirectory();
  const [root, aside] = [directory.file("store-1"), directory.file("aside")];
  {
    await using broker = await Embedded.start(directory.path, { stores: "3" });
    await using connection = await broker.connect();
    await createTopic(connection, "t");
    expect(await produced(connection, "t", `${LARGE}1`)).toBe(ErrorCode.NONE);
  }
  renameSync(root, aside);
  put(root);
  const told: unknown[] = [];
  const logger = { ...SILENT_LOGGER, error: (_message: string, fields?: object) => void told.push(fields) };
  await using broker = await Embedded.start(directory.path, {}, logger);
  expect(told).toEqual([expect.objectContaining({ store: 1, error: expect.stringContaining(root) })]);
  await using connection = await broker.connect();
  expect(await produced(connection, "t", `${LARGE}2`)).toBe(ErrorCode.NONE);
  expect(await readAll(connection, "t")).toEqual([`${LARGE}1`, `${LARGE}2`]);
  rmSync(root, { recursive: true, force: true });
  renameSync(aside, root);
  const before = objectsIn(root);
  const objectsLater = () => produced(connection, "t", `${LARGE}3`).then(() => objectsIn(root));
  await eventually(objectsLater, (count) => count > before);
});

test.concurrent("a store that lies there twice is refused at the start", async () => {
  using directory = new TemporaryDirectory();
  {
    await using _broker = await Embedded.start(directory.path, { stores: "2" });
  }
  const [first, second] = [directory.file("store-0"), directory.file("store-1")];
  const aside = directory.file("aside");
  renameSync(second, aside);
  symlinkSync(first, second);
  await expect(Embedded.start(directory.path)).rejects.toThrow(`store ${second} holds store 0 a second time`);
  rmSync(second);
  cpSync(first, second, { recursive: true });
  await expect(Embedded.start(directory.path)).rejects.toThrow(`store ${second} holds store 0 a second time`);
  rmSync(second, { recursive: true });
  renameSync(aside, second);
  symlinkSync(first, directory.file("store-2"));
  await expect(Embedded.start(directory.path, { stores: "3" })).rejects.toThrow(/store-2/);
});

test.concurrent("a journal file that is missing beside its stores is told, and no new one is made", async () => {
  using directory = new TemporaryDirectory();
  {
    await using _broker = await Embedded.start(directory.path, { stores: "2" });
  }
  const [file, aside] = [directory.file("journal.sqlite"), directory.file("aside")];
  renameSync(file, aside);
  const starting = Embedded.start(directory.path);
  await expect(starting).rejects.toThrow(`${file} is missing, though store-0, store-1 belong to one: put it back`);
  expect(existsSync(file)).toBe(false);
  renameSync(aside, file);
  await using _again = await Embedded.start(directory.path);
});

test.concurrent("brokers that make the stores at once make the same ones", async () => {
  using directory = new TemporaryDirectory();
  const starting = [0, 1, 2].map((id) => Embedded.start(directory.path, { stores: "3", "broker-id": String(id) }));
  const brokers = await Promise.all(starting);
  await using connection = await (brokers[0] ?? expect.fail("no broker")).connect();
  await createTopic(connection, "t");
  for (const broker of brokers) {
    await using each = await broker.connect();
    await eventually(
      () => replicasOf(each, "t"),
      (count) => count === 3,
    );
  }
  await Promise.all(brokers.map((broker) => broker[Symbol.asyncDispose]()));
});
