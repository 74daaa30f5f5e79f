import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Findings, formatFinding, formatNote } from "#lib/housekeeping/doctor/finding.ts";
import type { WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { openDataDirBroker } from "../../bin/data-dir-broker.ts";
import { examineDataDir } from "../../bin/examine-data-dir.ts";
import { byHand } from "./by-hand.ts";
import { batchOf, createTopic, produce } from "./kafka-calls.ts";
import { type Ended, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

// A data directory with three segments of two records each and one entry behind them; each test damages a copy of it, and
// looks at what a broker serves, what the commands say, and what the workers leave of it.

const TIMEOUT = { timeout: 120_000 };
const RECORDS_COMPACTED = 6;
/** Sizes differ, so that the indexes do. */
const VALUES = [480_000, 470_000, 460_000, 450_000, 440_000, 430_000, 10].map((length, at) => `${at}`.repeat(length));

const directory = new TemporaryDirectory();
const original = directory.file("original");
/** Paths below a data directory, by base offset, without the suffix. */
const segments = new Map<number, string>();
let copies = 0;

beforeAll(async () => {
  await using broker = await ServeProcess.start({ dataDir: original, args: ["--workers", "none"] });
  await using connection = await broker.connect();
  await createTopic(connection, "t");
  const resource = { resourceType: 2, resourceName: "t" };
  await connection.send(Apis.INCREMENTAL_ALTER_CONFIGS, 1, {
    resources: [{ ...resource, configs: [{ name: "segment.bytes", configOperation: 0, value: "1048576" }] }],
    validateOnly: false,
  });
  for (const value of VALUES.slice(0, RECORDS_COMPACTED)) await produce(connection, { topic: "t" }, batchOf([value]));
  expect(await byHand("run", "compactor", "--data-dir", original, "--now")).toMatchObject({ code: 0 });
  await produce(connection, { topic: "t" }, batchOf(VALUES.slice(RECORDS_COMPACTED)));
  const listed = JSON.parse((await byHand("segments", "list", "--data-dir", original, "--json")).stdout);
  for (const { baseOffset, key } of listed) segments.set(baseOffset, join("store-0", key.slice(0, -".log".length)));
  expect([...segments.keys()]).toEqual([0, 2, 4]);
  await broker.stop();
}, TIMEOUT.timeout);
afterAll(() => directory[Symbol.dispose]());

/** The value at an offset, or the error of the fetch. */
async function fetchAt(connection: KafkaConnection, fetchOffset: number): Promise<string | number> {
  const { responses } = await connection.send(Apis.FETCH, 12, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1,
    topics: [{ topic: "t", partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 }] }],
    forgottenTopicsData: [],
  });
  const { errorCode, records } = defined(responses[0]?.partitions[0]);
  if (errorCode !== ErrorCode.NONE) return errorCode;
  const batch = defined(splitBatches(records ?? new Uint8Array()).batches[0]);
  const record = defined([...readRecords(batch)].find(({ offset }) => offset === fetchOffset));
  return Buffer.from(record.value ?? []).toString();
}

/** What a broker answers at each offset: `.` the right record, `x` KAFKA_STORAGE_ERROR, `?` anything else. */
async function served(connection: KafkaConnection): Promise<string> {
  let letters = "";
  for (const [offset, value] of VALUES.entries()) {
    const found = await fetchAt(connection, offset);
    letters += found === value ? "." : found === ErrorCode.KAFKA_STORAGE_ERROR ? "x" : "?";
  }
  return letters;
}

function files(dataDir: string): readonly string[] {
  return readdirSync(join(dataDir, "store-0"), { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(dataDir.length + 1))
    .sort();
}

/** Everything about a copy of the directory after `damage`, which is given the paths of the middle segment and the last. */
async function examined(damage: (dataDir: string, middle: string, last: string) => void) {
  const dataDir = directory.file(`copy-${copies++}`);
  cpSync(original, dataDir, { recursive: true });
  damage(dataDir, join(dataDir, defined(segments.get(2))), join(dataDir, defined(segments.get(4))));
  await using broker = await ServeProcess.start({ dataDir, args: ["--workers", "none", "--log-level", "error"] });
  await using connection = await broker.connect();
  const letters = await served(connection);
  const verified = await byHand("segments", "verify", "--data-dir", dataDir);
  const doctor = await doctored(dataDir);
  // Now the last entry joins the last segment. What was compacted is garbage, and nothing else may go.
  expect(await worked(dataDir, "compactor")).toBeGreaterThan(0);
  expect(await worked(dataDir, "garbage")).toBeGreaterThan(0);
  return { dataDir, letters, verified, doctor, left: files(dataDir), lettersLater: await served(connection) };
}

/** As `millrace doctor`. */
async function doctored(dataDir: string): Promise<Pick<Ended, "code" | "stdout">> {
  const lines: string[] = [];
  const findings = new Findings(
    (finding) => lines.push(formatFinding(finding)),
    (note) => lines.push(formatNote(note)),
  );
  await examineDataDir(dataDir, findings, new AbortController().signal);
  return { code: findings.tally.findings > 0 ? 1 : 0, stdout: lines.join("\n") };
}

/** As `millrace run WORKER --now`. */
async function worked(dataDir: string, worker: WorkerName): Promise<number> {
  await using opened = new AsyncDisposableStack();
  const { broker } = await openDataDirBroker(dataDir, SILENT_LOGGER, opened);
  const { signal } = new AbortController();
  for (let total = 0; ; ) {
    const count = await broker.chores.work(worker, { isForced: true, signal });
    if (count === 0) return total;
    total += count;
  }
}

const middleKey = () => defined(segments.get(2)).slice("store-0/".length);
const filesOf = (base: number) =>
  ["index", "log", "timeindex"].map((suffix) => `${defined(segments.get(base))}.${suffix}`);

test.concurrent("a store that is away is one finding, however many segments are in it", TIMEOUT, async () => {
  const dataDir = directory.file(`copy-${copies++}`);
  cpSync(original, dataDir, { recursive: true });
  renameSync(join(dataDir, "store-0"), join(dataDir, "unmounted"));
  const { code, stdout, stderr } = await byHand("segments", "verify", "--data-dir", dataDir);
  expect(code).toBe(1);
  expect(stdout.match(/^FINDING .*$/gm)).toEqual([
    expect.stringMatching(
      /^FINDING store-away store 0: it is away \(.*\): 3 needed objects .* 3 of them nowhere else; /,
    ),
  ]);
  expect(stderr).toContain(`error: 1 finding: run millrace doctor --data-dir ${dataDir} for what to do`);
});

describe("a log segment", () => {
  test.concurrent(
    "that is cut short is named, and costs the records behind the cut and no other",
    TIMEOUT,
    async () => {
      const found = await examined((_, middle) => truncateSync(`${middle}.log`, 700_000));
      expect(found.letters).toMatch(/^\.\.[.x]x\.\.\.$/);
      expect(found.verified.code).toBe(1);
      expect(found.verified.stdout).toContain(`FINDING segment-damaged store 0 object ${middleKey()}.log: byte 700000`);
      expect(found.doctor.code).toBe(1);
      expect(found.doctor.stdout).toContain(`FINDING segment-damaged store 0 object ${middleKey()}.log: byte 700000`);
      expect(found.left).toEqual(expect.arrayContaining([...filesOf(0), ...filesOf(2)]));
      expect(found.lettersLater).toBe(found.letters);
    },
  );

  test.concurrent(
    "with another one's index in its place is named, and no wrong record is served",
    TIMEOUT,
    async () => {
      const found = await examined((_, middle, last) => copyFileSync(`${last}.index`, `${middle}.index`));
      expect(found.letters).toMatch(/^\.\.\.[.x]\.\.\.$/);
      for (const { code, stdout } of [found.verified, found.doctor]) {
        expect(code).toBe(1);
        expect(stdout).toContain(`FINDING segment-damaged store 0 object ${middleKey()}.index: byte `);
      }
      expect(found.doctor.stdout).toContain("its log is whole");
      expect(found.doctor.stdout).toContain("of partition t-0, offsets 2 to 3");
      expect(found.left).toEqual(expect.arrayContaining([...filesOf(0), ...filesOf(2)]));
      expect(found.lettersLater).toBe(found.letters);
    },
  );

  test.concurrent("that is deleted by hand is named, and costs its own records alone", TIMEOUT, async () => {
    const found = await examined((_, middle) => rmSync(`${middle}.log`));
    expect(found.letters).toBe("..xx...");
    for (const { code, stdout } of [found.verified, found.doctor]) {
      expect(code).toBe(1);
      expect(stdout).toContain(`FINDING segment-missing store 0 object ${middleKey()}.log: it does not exist; of `);
      expect(stdout).toContain("offsets 2 to 3");
      expect(stdout.match(/FINDING/g)).toHaveLength(1);
    }
    expect(found.left).toEqual(
      expect.arrayContaining([...filesOf(0), ...filesOf(2).filter((path) => !path.endsWith(".log"))]),
    );
    expect(found.lettersLater).toBe("..xx...");
  });
});

test.concurrent("strangers' objects are named, are no findings, and stay where they are", TIMEOUT, async () => {
  const strangers = [
    "notes.txt",
    "wal/notes.txt",
    "segments/0000000001/t-0/00000000000000000000.log",
    "wal/0000000001/a/b",
  ];
  const found = await examined((dataDir) => {
    for (const stranger of strangers) {
      mkdirSync(join(dataDir, "store-0", stranger, ".."), { recursive: true });
      writeFileSync(join(dataDir, "store-0", stranger), "not ours");
    }
  });
  expect(found.letters).toBe(".......");
  for (const { code, stdout } of [found.verified, found.doctor]) {
    expect(code).toBe(0);
    const told = stdout.split("\n").filter((line) => line.startsWith("STRANGER"));
    expect(told.map((line) => / object (\S+): /.exec(line)?.[1]).sort()).toEqual([...strangers].sort());
  }
  for (const stranger of strangers) expect(existsSync(join(found.dataDir, "store-0", stranger)), stranger).toBe(true);
  // What is ours and needed by nobody did go.
  const ours = found.left.filter(
    (path) => path.startsWith("store-0/wal/") && !strangers.includes(path.slice("store-0/".length)),
  );
  expect(ours).toEqual([]);
  expect(found.lettersLater).toBe(".......");
});
