import { deepEqual, match, ok } from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KAFKA_VERSION, provideJava } from "../support/java.ts";
import type { Facts, Suite } from "../support/suite.ts";
import { checkKafkaSegments, checkMillraceSegments } from "./broker-segments.ts";
import { checkCleanedSegments } from "./cleaned-segments.ts";
import { craftedSegments, recordOffsets, type WrittenSegment, writeSegment } from "./crafted-segments.ts";
import { dumpSegments } from "./dump.ts";

// Kafka's own DumpLogSegments reads our log segments. What it is asked of them it is asked of Kafka's own as well
// (`--target kafka`), and of files with a fault in them: a check that finds nothing there would prove nothing.

export const segmentsSuite: Suite = {
  name: "segments",
  budgetMinutes: 3,
  what: `DumpLogSegments of Apache Kafka ${KAFKA_VERSION}: reads our segments and their indexes, and finds no fault`,
  async run(facts, { target }) {
    await provideJava();
    const root = mkdtempSync(join(tmpdir(), "millrace-clients-segments-"));
    try {
      if (target === "kafka") await checkKafkaSegments(facts);
      else {
        await checkCrafted(facts, root);
        await checkMillraceSegments(facts);
        await checkCleanedSegments(facts);
      }
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
