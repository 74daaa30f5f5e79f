import { deepEqual, equal, ok } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { Broker } from "../support/broker.ts";
import { KAFKA_VERSION, runJava } from "../support/java.ts";
import { lastLines, run } from "../support/processes.ts";
import { ROOT } from "../support/provision.ts";
import { readTopic } from "../support/reader.ts";
import type { Facts } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { type Dump, dumpSegments } from "./dump.ts";
import { millrace, scriptLines } from "./run-by-hand.ts";

// Segments that a broker made of what producers sent: Kafka's by its small segment.bytes, ours by the compactor.

const RECORDS_A_CODEC = 8_000;

/** Kafka's own segments, which calibrate the checks: what we would make of its logs is what stands beside them. */
export async function checkKafkaSegments(facts: Facts): Promise<void> {
  const configs = { "log.index.size.max.bytes": "1048576", "log.segment.bytes": "1048576" };
  await using broker = await Broker.start("kafka", { configs });
  const topic = await newTopic(broker, "segments");
  await facts.check("Kafka's own segments pass, and have the very indexes that we would make of them", async () => {
    for (const codec of ["none", "lz4"]) await produce(broker, topic, codec);
    // A broker that stops cuts the indexes of its newest segment to what is in them. A JVM says that a signal ended it.
    equal(await broker.stop(), 128 + 15);
    const directory = join(broker.directory, "data", `${topic}-0`);
    const names = readdirSync(directory).filter((name) => /^\d{20}\.(log|index|timeindex)$/.test(name));
    const files = names.map((name) => join(directory, name));
    const logs = await checkFiles(files, 2 * RECORDS_A_CODEC);
    ok(logs.length >= 3, "several segments");
    for (const log of logs) equalIndexes(log);
  });
}

export async function checkMillraceSegments(facts: Facts): Promise<void> {
  await using broker = await Broker.start("millrace");
  const dataDir = join(broker.directory, "data");
  const scriptCodecs = ["none", "gzip", "snappy", "lz4"];
  const codecs = [...scriptCodecs, "zstd"];
  const topic = await newTopic(broker, "segments", { partitions: 2 });
  const readable = await newTopic(broker, "readable", { partitions: 2 });
  for (const codec of codecs) await produce(broker, topic, codec);
  for (const codec of scriptCodecs) await produce(broker, readable, codec);
  await millrace("run", "compactor", "--data-dir", dataDir, "--now");
  await facts.check("segments that the compactor made beside a running broker pass", async () => {
    const logs = await checkFiles(segmentFiles(dataDir, topic), codecs.length * RECORDS_A_CODEC);
    equal(logs.length, 2);
    for (const log of logs) equalIndexes(log);
  });
  await facts.check("a script without our code reads from them what a client reads from the broker", async () => {
    const python = await run("python3", [
      join(ROOT, "docs/readers/read_topic.py"),
      join(dataDir, "store-0"),
      ...["--topic", readable],
    ]);
    equal(python.code, 0, lastLines(python.stderr));
    const fromBroker = (await readTopic(broker.address, readable)).flatMap(scriptLines);
    deepEqual(python.stdout.trim().split("\n"), fromBroker);
    equal(fromBroker.length, scriptCodecs.length * RECORDS_A_CODEC);
  });
}

async function produce(broker: Broker, topic: string, codec: string): Promise<void> {
  const size = ["--num-records", String(RECORDS_A_CODEC), "--record-size", "250", "--throughput", "-1"];
  const properties = [`bootstrap.servers=${broker.address}`, `compression.type=${codec}`, "batch.size=2000"];
  const args = ["--topic", topic, ...size, "--command-property", ...properties];
  const finished = await runJava("org.apache.kafka.tools.ProducerPerformance", args, { version: KAFKA_VERSION });
  equal(finished.code, 0, lastLines(finished.stderr));
}

function segmentFiles(dataDir: string, topic: string): readonly string[] {
  const root = join(dataDir, "store-0/segments");
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).map((path) => join(root, path));
  return paths.filter((path) => path.includes(`/${topic}-`) && /\/\d{20}\.\w+$/.test(path)).toSorted();
}

/** All that DumpLogSegments is asked of a topic's files. Answers the logs. */
async function checkFiles(files: readonly string[], recordCount: number): Promise<readonly string[]> {
  const logs = files.filter((file) => file.endsWith(".log"));
  const indexes = files.filter((file) => !file.endsWith(".log"));
  const dump = await dumpSegments(files, "--deep-iteration", "--print-data-log");
  deepEqual(dump.faults, []);
  for (const log of logs) deepEqual(dump.gaps.get(log) ?? [], gapBefore(Number(basename(log, ".log"))), log);
  equal(countRecords(dump), recordCount);
  deepEqual((await dumpSegments(indexes, "--index-sanity-check")).faults, []);
  deepEqual((await dumpSegments(indexes, "--verify-index-only")).faults, []);
  return logs;
}

/** The tool counts from -1. */
const gapBefore = (baseOffset: number): readonly string[] => (baseOffset === 0 ? [] : [`-1 -> ${baseOffset}`]);

const countRecords = ({ lines }: Dump): number =>
  [...lines.values()].flat().filter((line) => line.startsWith("| offset: ")).length;

/** What we make of a log is what stands beside it, to the byte. */
function equalIndexes(log: string): void {
  const baseOffset = Number(basename(log, ".log"));
  const builder = new SegmentBuilder({ baseOffset });
  builder.add([readFileSync(log)]);
  const { index, timeIndex } = builder.finish();
  const stored = (suffix: string) => readFileSync(log.replace(/log$/, suffix)).toString("hex");
  equal(Buffer.from(index).toString("hex"), stored("index"), `${baseOffset}.index`);
  equal(Buffer.from(timeIndex).toString("hex"), stored("timeindex"), `${baseOffset}.timeindex`);
}
