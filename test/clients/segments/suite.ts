import { deepEqual, equal, match, ok } from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { Broker } from "../support/broker.ts";
import { KAFKA_VERSION, provideJava, runJava } from "../support/java.ts";
import { lastLines } from "../support/processes.ts";
import type { Facts, Suite } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { craftedSegments, recordOffsets, type WrittenSegment, writeSegment } from "./crafted-segments.ts";
import { dumpSegments } from "./dump.ts";

// Kafka's own DumpLogSegments reads our log segments. What it is asked of them it is asked of Kafka's own as well
// (`--target kafka`), and of files with a fault in them: a check that finds nothing there would prove nothing.

export const segmentsSuite: Suite = {
  name: "segments",
  budgetMinutes: 2,
  what: `DumpLogSegments of Apache Kafka ${KAFKA_VERSION}: reads our segments and their indexes, and finds no fault`,
  async run(facts, { target }) {
    await provideJava();
    const root = mkdtempSync(join(tmpdir(), "millrace-clients-segments-"));
    try {
      if (target === "kafka") await checkKafka(facts);
      else await checkCrafted(facts, root);
      await checkFaults(facts, root);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  },
};

async function checkCrafted(facts: Facts, root: string): Promise<void> {
  const segments = craftedSegments().map((crafted) => writeSegment(root, crafted));
  const all = segments.flatMap(({ log, indexes }) => [log, ...indexes]);
  const indexes = segments.flatMap((segment) => segment.indexes);
  await facts.check("deep iteration reads every record of every kind of segment", async () => {
    const dump = await dumpSegments(all, "--deep-iteration", "--print-data-log");
    deepEqual(dump.faults, []);
    for (const segment of segments) {
      const records = (dump.lines.get(segment.log) ?? []).filter((line) => line.startsWith("| offset: "));
      deepEqual(records.map(offsetOf), recordOffsets(segment), segment.name);
      deepEqual(dump.gaps.get(segment.log) ?? [], expectedGaps(segment), segment.name);
      for (const line of records) {
        if (!line.includes("endTxnMarker")) match(line, new RegExp(` payload: ${offsetOf(line)} `), segment.name);
      }
    }
  });
  await facts.check("--index-sanity-check passes every index", async () => {
    const dump = await dumpSegments(indexes, "--index-sanity-check");
    deepEqual(dump.faults, []);
    for (const index of indexes.filter((path) => !path.endsWith(".txnindex"))) {
      match((dump.lines.get(index) ?? []).join(), / (passed sanity check|is empty)\.$/, index);
    }
  });
  await facts.check("--verify-index-only finds every entry where it says", async () => {
    deepEqual((await dumpSegments(indexes, "--verify-index-only")).faults, []);
  });
}

const KAFKA_CONFIGS = { "log.index.size.max.bytes": "1048576", "log.segment.bytes": "1048576" };

async function checkKafka(facts: Facts): Promise<void> {
  await using broker = await Broker.start("kafka", { configs: KAFKA_CONFIGS });
  const topic = await newTopic(broker, "segments");
  await facts.check(
    "Kafka's own segments pass the same, and have the very indexes that we would make of them",
    async () => {
      for (const codec of ["none", "lz4"]) {
        const size = ["--num-records", "8000", "--record-size", "250", "--throughput", "-1"];
        const properties = [`bootstrap.servers=${broker.address}`, `compression.type=${codec}`, "batch.size=2000"];
        const finished = await runJava("org.apache.kafka.tools.ProducerPerformance", [
          ...["--topic", topic, ...size, "--command-property", ...properties],
        ]);
        equal(finished.code, 0, lastLines(finished.stderr));
      }
      // A broker that stops cuts the indexes of its newest segment to what is in them. A JVM says that a signal ended it.
      equal(await broker.stop(), 128 + 15);
      const directory = join(broker.directory, "data", `${topic}-0`);
      const files = readdirSync(directory)
        .filter((name) => /^\d{20}\.(log|index|timeindex)$/.test(name))
        .map((name) => join(directory, name));
      ok(files.filter((file) => file.endsWith(".log")).length >= 3, "several segments");
      const dump = await dumpSegments(files, "--deep-iteration", "--print-data-log");
      deepEqual(dump.faults, []);
      equal([...dump.lines.values()].flat().filter((line) => line.startsWith("| offset: ")).length, 16_000);
      const indexes = files.filter((file) => !file.endsWith(".log"));
      deepEqual((await dumpSegments(indexes, "--index-sanity-check")).faults, []);
      deepEqual((await dumpSegments(indexes, "--verify-index-only")).faults, []);
      for (const log of files.filter((file) => file.endsWith(".log"))) equalIndexes(log);
      const index = indexes.find((file) => file.endsWith(".index")) ?? "";
      shiftIndex(index);
      match((await dumpSegments([index], "--verify-index-only")).faults.join(), /Mismatches in/);
    },
  );
}

async function checkFaults(facts: Facts, root: string): Promise<void> {
  const write = (name: string): WrittenSegment => {
    const crafted = craftedSegments().find((each) => each.name === "every-batch-indexed");
    return writeSegment(join(root, name), crafted ?? { name, batches: [] });
  };
  await facts.check("an index that is off by one batch is found", async () => {
    const { indexes } = write("shifted");
    shiftIndex(indexes[0] ?? "");
    match((await dumpSegments(indexes, "--verify-index-only")).faults.join(), /Mismatches in/);
  });
  await facts.check("a time index with another batch's timestamp is found", async () => {
    const [, timeIndex = ""] = write("other-time").indexes;
    const bytes = readFileSync(timeIndex);
    bytes.writeUInt8(bytes.readUInt8(7) + 1, 7);
    writeFileSync(timeIndex, bytes);
    match((await dumpSegments([timeIndex], "--verify-index-only")).faults.join(), /Found timestamp mismatch/);
  });
  await facts.check("a log that is cut, and one with a changed byte, are found", async () => {
    const { log } = write("cut");
    const bytes = readFileSync(log);
    writeFileSync(log, bytes.subarray(0, bytes.byteLength - 3));
    match((await dumpSegments([log], "--deep-iteration")).faults.join(), /invalid bytes at the end/);
    bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70);
    writeFileSync(log, bytes);
    match((await dumpSegments([log])).faults.join(), /isvalid: false/);
  });
}

/** What we make of Kafka's log is what stands beside it, to the byte. */
function equalIndexes(log: string): void {
  const baseOffset = Number(basename(log, ".log"));
  const builder = new SegmentBuilder({ baseOffset });
  builder.add([readFileSync(log)]);
  const { index, timeIndex } = builder.finish();
  const stored = (suffix: string) => readFileSync(log.replace(/log$/, suffix)).toString("hex");
  equal(Buffer.from(index).toString("hex"), stored("index"), `${baseOffset}.index`);
  equal(Buffer.from(timeIndex).toString("hex"), stored("timeindex"), `${baseOffset}.timeindex`);
}

/** Every entry keeps its offset and gets the position of the entry behind it. */
function shiftIndex(path: string): void {
  const bytes = readFileSync(path);
  for (let at = 0; at + 16 <= bytes.byteLength; at += 8) bytes.writeInt32BE(bytes.readInt32BE(at + 12), at + 4);
  ok(bytes.byteLength >= 16, "an index with entries");
  writeFileSync(path, bytes.subarray(0, bytes.byteLength - 8));
}

function expectedGaps(segment: WrittenSegment): readonly string[] {
  const gaps: string[] = [];
  let previous = -1;
  for (const offset of recordOffsets(segment)) {
    if (offset !== previous + 1) gaps.push(`${previous} -> ${offset}`);
    previous = offset;
  }
  return gaps;
}

const offsetOf = (line: string): number => Number(/^\| offset: (\d+) /.exec(line)?.[1] ?? "-1");
