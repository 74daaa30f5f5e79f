import { deepEqual, equal, ok } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Producer, stringSerializers } from "@platformatic/kafka";
import { Broker } from "../support/broker.ts";
import { lastLines, run } from "../support/processes.ts";
import { ROOT } from "../support/provision.ts";
import { readTopic } from "../support/reader.ts";
import type { Facts } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { dumpSegments } from "./dump.ts";
import { millrace, scriptLines } from "./run-by-hand.ts";

const KEYS = 60;
const BATCHES = 80;
const RECORDS_A_BATCH = 25;
const CODECS = ["none", "gzip", "snappy", "lz4"] as const;
const START_MS = Date.now() - 60_000;

/** Segments that the cleaner made of a compacted topic, with holes where records were. */
export async function checkCleanedSegments(facts: Facts): Promise<void> {
  await using broker = await Broker.start("millrace");
  const dataDir = join(broker.directory, "data");
  const configs = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01" };
  const topic = await newTopic(broker, "cleaned", { configs });
  await produceKeyed(broker, topic);
  await millrace("run", "compactor", "--data-dir", dataDir, "--now");
  await millrace("run", "cleaner", "--data-dir", dataDir, "--now");
  // A broker that has not looked at a journal since then serves what it knows, for the old objects are still there.
  equal(await broker.stop(), 0);
  await broker.restart();
  await facts.check("segments that the cleaner made pass, with one record a key", async () => {
    const listed = await liveSegments(dataDir, topic);
    ok(
      listed.some(({ isCleaned }) => isCleaned),
      "a cleaned segment",
    );
    const logs = listed.map(({ key }) => join(dataDir, "store-0", key));
    const indexes = logs.flatMap((log) => ["index", "timeindex"].map((suffix) => log.replace(/log$/, suffix)));
    const dump = await dumpSegments([...logs, ...indexes], "--deep-iteration", "--print-data-log");
    deepEqual(dump.faults, []);
    const keys = logs.flatMap((log) =>
      (dump.lines.get(log) ?? []).flatMap((line) => / key: (\S+)/.exec(line)?.[1] ?? []),
    );
    deepEqual(keys.toSorted(), Array.from({ length: KEYS }, (_, key) => `key-${key}`).toSorted());
    deepEqual((await dumpSegments(indexes, "--index-sanity-check")).faults, []);
    deepEqual((await dumpSegments(indexes, "--verify-index-only")).faults, []);
  });
  await facts.check("the script reads of cleaned segments what a client reads from the broker", async () => {
    const live = join(broker.directory, "live.json");
    writeFileSync(live, JSON.stringify(await liveSegments(dataDir, topic)));
    const script = [join(ROOT, "docs/readers/read_topic.py"), join(dataDir, "store-0"), "--topic", topic];
    const fromBroker = (await readTopic(broker.address, topic)).flatMap(scriptLines);
    equal(fromBroker.length, KEYS);
    // Without the journals it takes the newest, which here is the same.
    for (const args of [[...script, "--live", live], script]) {
      const python = await run("python3", args);
      equal(python.code, 0, lastLines(python.stderr));
      deepEqual(python.stdout.trim().split("\n"), fromBroker);
    }
  });
}

/** Timestamps go up and down, so that the largest is often among what goes. */
async function produceKeyed(broker: Broker, topic: string): Promise<void> {
  for (const [index, compression] of CODECS.entries()) {
    const bootstrap = { clientId: "cleaned", bootstrapBrokers: [broker.address], serializers: stringSerializers };
    const producer = new Producer({ ...bootstrap, compression });
    try {
      for (let batch = index; batch < BATCHES; batch += CODECS.length) {
        const messages = Array.from({ length: RECORDS_A_BATCH }, (_, at) => ({
          topic,
          partition: 0,
          key: `key-${(batch * 7 + at * 3) % KEYS}`,
          value: `batch ${batch}, record ${at}, ${"v".repeat(100)}`,
          timestamp: BigInt(START_MS + ((batch * 37 + at * 11) % 1_000)),
        }));
        await producer.send({ messages });
      }
    } finally {
      await producer.close();
    }
  }
}

interface LiveSegment {
  readonly topic: string;
  readonly key: string;
  readonly isCleaned: boolean;
}

async function liveSegments(dataDir: string, topic: string): Promise<readonly LiveSegment[]> {
  const listed: readonly LiveSegment[] = JSON.parse(
    await millrace("segments", "list", "--data-dir", dataDir, "--topic", topic, "--json"),
  );
  return listed;
}
