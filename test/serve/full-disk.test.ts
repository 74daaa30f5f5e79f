import { expect, test } from "vitest";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { newStoreMarker } from "#lib/storage/store-marker.ts";
import { journalId } from "#lib/util/branded.ts";
import { FaultyFilePort, InlinePublisher } from "../adapters/local/faulty-file-port.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { TemporaryDirectory } from "./serve-process.ts";

const LARGE = "x".repeat(20_000);

test.concurrent.each(["create", "write", "sync", "link"] as const)(
  "a disk that is full at %s refuses what needs it, and serves again when there is room",
  async (operation) => {
    using directory = new TemporaryDirectory();
    const random = new SystemRandom();
    const files = new FaultyFilePort();
    const store = await DirectoryObjectStore.create(
      {
        root: directory.file("store-0"),
        random,
        logger: SILENT_LOGGER,
        owner: "broker-0",
        files,
        newPublisher: (settings) => new InlinePublisher(files.sync, settings),
      },
      newStoreMarker(0, random.bytes(16)),
    );
    await using broker = await startMemoryBroker({ store });
    await using connection = await broker.connect();
    await createTopic(connection, "t");
    const send = (value: string) => produce(connection, { topic: "t" }, batchOf([value]));
    expect((await send(`${LARGE}0`)).errorCode).toBe(ErrorCode.NONE);
    files.fault = (asked) => (asked === operation ? "ENOSPC" : undefined);
    const refused = await send(`${LARGE}1`);
    expect(refused.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(refused.errorMessage).toContain("ENOSPC");
    expect((await send("small")).errorCode).toBe(ErrorCode.NONE);
    expect(await readAll(connection, "t")).toEqual([`${LARGE}0`, "small"]);
    files.fault = () => undefined;
    expect(await send(`${LARGE}2`)).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: 2 });
    expect(await readAll(connection, "t")).toEqual([`${LARGE}0`, "small", `${LARGE}2`]);
  },
);

test("a journal without room refuses with a retriable error that says so, and serves again when there is room", async () => {
  using directory = new TemporaryDirectory();
  const clock = new SystemClock();
  await using journal = await SqliteJournal.open({ path: directory.file("journal.sqlite"), clock, pagesMax: 200 });
  const { signal } = new AbortController();
  const ballast = journalId("ballast");
  for (let seq = 1; seq <= 50; seq++) await journal.append(ballast, seq, Buffer.alloc(8_000), signal);
  await using broker = await startMemoryBroker({ journal, append: { flushTimeoutMs: 300 } });
  await using connection = await broker.connect();
  await createTopic(connection, "t");
  const acknowledged: string[] = [];
  const send = async () => {
    const value = `${acknowledged.length}${"y".repeat(5_000)}`;
    const answer = await produce(connection, { topic: "t" }, batchOf([value]));
    if (answer.errorCode === ErrorCode.NONE) acknowledged.push(value);
    return answer;
  };
  let answer = await send();
  while (answer.errorCode === ErrorCode.NONE) answer = await send();
  expect(answer.errorCode).toBe(ErrorCode.REQUEST_TIMED_OUT);
  expect(answer.errorMessage).toContain("no room for the journal file");
  expect(broker.log.some(({ fields }) => String(fields["error"]).includes("no room for the journal file"))).toBe(true);
  expect(acknowledged.length).toBeGreaterThan(5);
  expect(await readAll(connection, "t")).toEqual(acknowledged);
  await journal.trim(ballast, 49, signal);
  await expect.poll(async () => (await send()).errorCode).toBe(ErrorCode.NONE);
  const found = await readAll(connection, "t");
  expect(found.filter((value) => acknowledged.includes(value))).toEqual(expect.arrayContaining(acknowledged));
  expect(found.length).toBeLessThanOrEqual(acknowledged.length + 1);
});
