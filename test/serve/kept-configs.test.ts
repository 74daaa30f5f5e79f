import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { CommandFailure } from "../../bin/cli/usage-error.ts";
import { keepConfigs, keptConfigs } from "../../bin/kept-configs.ts";
import { byHand } from "./by-hand.ts";
import { createTopic, produce } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

const DAY_MS = 86_400_000;

test("a worker by hand keeps records as long as the last broker was started to", { timeout: 60_000 }, async () => {
  using directory = new TemporaryDirectory();
  const dataDir = directory.path;
  const retain = async () =>
    JSON.parse((await byHand("run", "retention", "--data-dir", dataDir, "--now", "--json")).stdout);
  {
    const args = ["--workers", "none", "--broker-config", "log.retention.hours=-1"];
    await using broker = await ServeProcess.start({ dataDir, args });
    await using connection = await broker.connect();
    await createTopic(connection, "t");
    const old = { timestampMs: Date.now() - 30 * DAY_MS, key: null, value: Buffer.from("v") };
    await produce(connection, { topic: "t" }, buildBatch([old]));
    expect(await retain()).toMatchObject({ changes: 0 });
    expect(JSON.parse(readFileSync(directory.file("start-configs.json"), "utf8"))).toEqual({
      "log.retention.hours": "-1",
    });
    await broker.stop();
  }
  expect(await retain()).toMatchObject({ changes: 0 });
  await using broker = await ServeProcess.start({ dataDir, args: ["--workers", "none"] });
  // A week by default, and records go as on Kafka.
  expect(await retain()).toMatchObject({ changes: 1 });
  await broker.stop();
});

test("configs of a start are read as they were written, and none where nothing was", () => {
  using directory = new TemporaryDirectory();
  expect(keptConfigs(directory.path)).toEqual(new Map());
  const configs = new Map([
    ["num.partitions", "6"],
    ["log.retention.ms", "1000"],
  ]);
  keepConfigs({ dataDir: directory.path, brokerId: 0, configs }, SILENT_LOGGER);
  expect(keptConfigs(directory.path)).toEqual(configs);
});

test.each(["", "[]", '{"num.partitions":6}', '{"num.partitions":"none"}', '{"no.such":"1"}'])(
  "a damaged file of configs is named, not passed over: %s",
  (text) => {
    using directory = new TemporaryDirectory();
    writeFileSync(directory.file("start-configs.json"), text);
    expect(() => keptConfigs(directory.path)).toThrow(CommandFailure);
    expect(() => keptConfigs(directory.path)).toThrow("start-configs.json");
  },
);
