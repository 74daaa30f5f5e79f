import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { byHand } from "./by-hand.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

const PARTITIONS = 2;
/** Longer than a few processes take to start. */
const LOAD_MS = 5_000;
/** One in three is too large to be inlined. */
const PADDINGS = ["", "x".repeat(70_000), "y".repeat(100)];
const REFUSED_BY_RETIREMENT: ReadonlySet<number> = new Set([
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
]);

test("compactors and garbage collectors by hand beside a broker that is written to lose nothing", {
  timeout: 180_000,
}, async () => {
  using directory = new TemporaryDirectory();
  const dataDir = directory.path;
  await using broker = await ServeProcess.start({ dataDir, args: ["--log-level", "error"] });
  await using connection = await broker.connect();
  await createTopic(connection, "t", PARTITIONS);
  const sent: string[][] = Array.from({ length: PARTITIONS }, () => []);
  let isOver = false;
  const producing = sent.map(async (values, partition) => {
    await using own = await broker.connect();
    while (!isOver) {
      const value = `${partition}-${values.length}${defined(PADDINGS[values.length % PADDINGS.length])}`;
      const { errorCode } = await produce(own, { topic: "t", partition }, batchOf([value]));
      // A flush that was under way while its hour was retired is refused as a whole, and clients send it again.
      if (!REFUSED_BY_RETIREMENT.has(errorCode)) {
        expect(errorCode).toBe(ErrorCode.NONE);
        values.push(value);
      }
      // Slow enough for those who work until nothing is left.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const workers = ["compactor", "compactor", "garbage", "compactor"].map((worker) =>
    byHand("run", worker, "--data-dir", dataDir, "--now", "--json"),
  );
  // While records come there is always more to do.
  await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
  isOver = true;
  const ended = await Promise.all(workers);
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(() => [0, ""]));
  await Promise.all(producing);
  for (const [partition, values] of sent.entries()) {
    expect(values.length).toBeGreaterThan(PADDINGS.length);
    expect(await readAll(connection, "t", partition)).toEqual(values);
  }
  for (const command of [["segments", "verify"], ["doctor"]]) {
    const { code, stdout } = await byHand(...command, "--data-dir", dataDir);
    expect([code, stdout]).toEqual([0, expect.stringContaining("0 findings")]);
  }
});
