import { describe, expect, test } from "vitest";
import { addTopic, initialClusterState } from "#lib/cluster/cluster-state.ts";
import { checkInlineFilled, checkParts } from "#lib/housekeeping/doctor/append-checks.ts";
import { Findings, formatFinding } from "#lib/housekeeping/doctor/finding.ts";
import { checkLogState, checkNoGaps, checkPlacement } from "#lib/housekeeping/doctor/state-checks.ts";
import { parseBatchRun } from "#lib/housekeeping/doctor/state-entries.ts";
import type { AppendBatch, AppendPart } from "#lib/log/log-command.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { defined } from "#lib/util/assert.ts";
import { batchOf, openedLog, TOPIC } from "../../log/log-fixtures.ts";

const BATCH = buildBatch([{ timestampMs: 1_000, key: null, value: Buffer.from("v") }]);
const FACTS = batchOf({ byteLength: BATCH.byteLength });
const partOf = (position: number, ...batches: readonly AppendBatch[]): AppendPart => ({
  topicId: TOPIC,
  partitionIndex: 0,
  position,
  batches,
});

describe("the batches of a flush", () => {
  test("are what their command says", () => {
    expect(checkParts(Buffer.concat([BATCH, BATCH]), [partOf(0, FACTS), partOf(BATCH.byteLength, FACTS)])).toEqual([]);
  });

  const lies: readonly Partial<AppendBatch>[] = [
    { offsetCount: 2 },
    { maxTimestampMs: 999 },
    { producerId: 7, producerEpoch: 0, baseSequence: 0 },
    { isTransactional: true },
  ];
  test.each(lies)("are not, if it says %o", (lie) => {
    expect(checkParts(BATCH, [partOf(0, { ...FACTS, ...lie })]).length).toBeGreaterThan(0);
  });

  test("lie where it says, whole, and as many", () => {
    for (const part of [partOf(1, FACTS), partOf(0, { ...FACTS, byteLength: 40 }), partOf(0, FACTS, FACTS)]) {
      expect(checkParts(BATCH, [part])).toHaveLength(1);
    }
  });

  test("fill the inlined bytes", () => {
    expect(checkInlineFilled(BATCH, [partOf(0, FACTS)])).toBeUndefined();
    expect(checkInlineFilled(Buffer.concat([BATCH, BATCH]), [partOf(0, FACTS)])).toContain("end at byte");
    expect(checkInlineFilled(BATCH, [partOf(3, FACTS)])).toContain("begins at byte 3");
  });
});

describe("a partition", () => {
  function written() {
    const log = openedLog();
    log.append([batchOf(), batchOf({ offsetCount: 4 })]);
    log.append([batchOf({ offsetCount: 2 })]);
    return log;
  }

  test("as the fold leaves it has no gap, also behind an advanced log start", () => {
    const log = written();
    expect(checkLogState("log-0", log.state, (id) => id)).toEqual([]);
    log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset: 3 });
    expect(checkLogState("log-0", log.state, (id) => id)).toEqual([]);
    log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset: 7 });
    expect(checkLogState("log-0", log.state, (id) => id)).toEqual([]);
  });

  test("with a gap, an overlap, a wrong end or wrong sizes is told", () => {
    const partition = written().partition();
    const [first, second] = partition.entries.map((entry) => defined(entry));
    const entriesOf = (...entries: (typeof first)[]) => ({ ...partition, entries: entries.map((one) => defined(one)) });
    const moved = { ...defined(second), baseOffset: 6, nextOffset: 8 };
    expect(checkNoGaps({ ...entriesOf(first, moved), logEndOffset: 8 })[0]).toContain("a gap");
    expect(checkNoGaps(entriesOf(first, { ...moved, baseOffset: 4, nextOffset: 6 }))[0]).toContain("an overlap");
    expect(checkNoGaps(entriesOf(first))[0]).toContain("end at offset 5");
    expect(checkNoGaps(entriesOf(second))[0]).toContain("begins at offset 5");
    expect(checkNoGaps(entriesOf({ ...defined(first), byteLength: 1 }, second))[0]).toContain("has 1 bytes");
    expect(checkNoGaps({ ...entriesOf(), logStartOffset: 9 }).length).toBeGreaterThan(0);
  });

  test("is held against an object by sizes and offsets where its command is gone", () => {
    const log = openedLog();
    log.append([FACTS]);
    const entry = defined(log.partition().entries[0]);
    expect(parseBatchRun(BATCH, entry)).toEqual({ batchCount: 1, problems: [] });
    expect(parseBatchRun(BATCH.subarray(0, 50), entry).problems).toHaveLength(1);
    expect(parseBatchRun(BATCH, { ...entry, batches: Buffer.from([BATCH.byteLength, 3]) }).problems).toHaveLength(1);
  });
});

describe("a partition's place", () => {
  function clusterWith(partitionCount: number) {
    const state = initialClusterState();
    addTopic(state, {
      topicId: TOPIC,
      name: "t",
      partitionCount,
      replicationFactor: 1,
      baseJournal: 3,
      journalCount: 12,
      createdAtMs: 0,
      configs: new Map(),
      deletingSince: undefined,
    });
    return state;
  }

  test("is the one that the cluster journal computes", () => {
    const { state } = openedLog();
    expect(checkPlacement(3, state, [clusterWith(1)])).toEqual([]);
    expect(checkPlacement(4, state, [clusterWith(1)])[0]?.kind).toBe("partition-misplaced");
    expect(checkPlacement(3, state, [clusterWith(0)])[0]?.kind).toBe("partition-misplaced");
  });

  test("is excused by either of two states, and orphaned if neither knows the topic", () => {
    const { state } = openedLog();
    expect(checkPlacement(3, state, [initialClusterState(), clusterWith(1)])).toEqual([]);
    expect(checkPlacement(3, state, [initialClusterState()])[0]?.kind).toBe("partition-orphaned");
  });
});

test("a finding is one line, and counted", () => {
  const lines: string[] = [];
  const findings = new Findings((finding) => lines.push(formatFinding(finding)));
  findings.add({ kind: "offsets", where: "log-0", what: "a\n gap", remedy: "look" });
  expect(lines).toEqual(["FINDING offsets log-0: a gap; look"]);
  expect(findings.tally.findings).toBe(1);
  findings.muted().add({ kind: "offsets", where: "", what: "", remedy: "" });
  expect(findings.tally.findings).toBe(1);
});
