import { readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestCluster, timeFor } from "./support.ts";

// The broker runs none of the workers by itself, so that what they do is what was asked for.
const cluster = new TestCluster(["--workers", "none"]);
const place = ["--data-dir", cluster.dataDir];
/** Too large to be inlined. */
const LARGE = "x".repeat(100_000);

beforeAll(async () => {
  await cluster.start();
  await cluster.run(["topics", "create", "t", "--partitions", "2"]);
}, timeFor(2).timeout);
afterAll(() => cluster[Symbol.asyncDispose]());

const lines = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");

async function produce(...values: readonly string[]): Promise<void> {
  const input = values.map((value) => `${value}\n`).join("");
  expect(await cluster.run(["produce", "t", "--partition", "1"], input)).toMatchObject({ status: 0 });
}

/** What the partition holds, large values by their length. */
async function consume(): Promise<readonly string[]> {
  const ran = await cluster.run(["consume", "t", "--partition", "1"]);
  return lines(ran.stdout).map((value) => (value.length === LARGE.length ? "large" : value));
}

async function segments(): Promise<readonly { readonly key: string; readonly partition: number }[]> {
  return JSON.parse((await cluster.run(["segments", "list", ...place, "--json"])).stdout);
}

const walFiles = () =>
  readdirSync(join(cluster.dataDir, "store-0"), { recursive: true, withFileTypes: true }).filter(
    (each) => each.isFile() && each.parentPath.includes("/wal/"),
  );

test(
  "a worker by hand works beside a broker, tells what it has changed, and finds nothing a second time",
  timeFor(12),
  async () => {
    await produce("a", LARGE);
    await produce("b", LARGE);
    expect(await cluster.run(["run", "compactor", ...place, "--now"])).toEqual({
      status: 0,
      stdout: "compactor: 1 change\n",
      stderr: "",
    });
    expect(walFiles()).toHaveLength(2);
    const garbage = await cluster.run(["run", "garbage", ...place, "--now", "--json"]);
    expect(JSON.parse(garbage.stdout)).toMatchObject({ worker: "garbage", changes: 2 });
    expect(walFiles()).toHaveLength(0);
    const again = await cluster.run(["run", "garbage", ...place, "--now", "--json"]);
    expect(JSON.parse(again.stdout)).toEqual({ worker: "garbage", changes: 0, runs: 1 });
    // Without --now a quiet directory has nothing that is due.
    const once = await cluster.run(["run", "compactor", ...place, "--json"]);
    expect(JSON.parse(once.stdout)).toEqual({ worker: "compactor", changes: 0, runs: 1 });
    await produce("c", LARGE);
    expect(await consume()).toEqual(["a", "large", "b", "large", "c", "large"]);
  },
);

test("segments are listed with their keys, whose files can be shown", timeFor(8), async () => {
  const listed = await cluster.run(["segments", "list", ...place]);
  expect(listed).toMatchObject({ status: 0 });
  expect(lines(listed.stdout)[0]).toMatch(/^topic +partition +base +next +bytes +max-timestamp +cleaned +stores +key$/);
  expect(listed.stderr).toMatch(/1 partition, 1 segment \(.* KB\), 1 write-ahead entry \(.* KB\) not compacted yet/);
  const [segment] = await segments();
  expect(segment).toMatchObject({ topic: "t", partition: 1, baseOffset: 0, nextOffset: 4, copies: [0] });
  const log = join(cluster.dataDir, "store-0", segment?.key ?? "");
  const files = [log, log.replace(/\.log$/, ".index"), log.replace(/\.log$/, ".timeindex")];
  const dumped = await cluster.run(["segments", "dump", ...files, "--print-data-log"]);
  expect(dumped.status).toBe(0);
  expect(dumped.stdout).toContain("baseOffset: 0 lastOffset: 1 count: 2");
  expect(dumped.stdout).toMatch(
    /\| offset: 2 CreateTime: \d+ keySize: -1 valueSize: 1 headerKeys: \[\] key: null payload: b/,
  );
  expect(dumped.stdout).toMatch(/^offset: \d position: \d+$/m);
  expect(dumped.stdout).toMatch(/^timestamp: \d+ offset: 3$/m);
});

test("whole segments have no finding, and what somebody else has put there is told and stays", timeFor(8), async () => {
  const stranger = join(cluster.dataDir, "store-0", "segments", "notes.txt");
  await writeFile(stranger, "mine");
  const verified = await cluster.run(["segments", "verify", ...place]);
  expect(verified).toMatchObject({ status: 0, stderr: "" });
  expect(lines(verified.stdout)[0]).toBe(
    "STRANGER store 0 object segments/notes.txt: Millrace did not write it and does not touch it",
  );
  expect(lines(verified.stdout)[1]).toMatch(/^checked 1 segment, 3 objects, [\d.]+ KB, 1 stranger, 0 findings$/);
  const examined = await cluster.run(["doctor", ...place, "--json"]);
  expect(examined.status).toBe(0);
  const told = lines(examined.stdout).map((line) => JSON.parse(line));
  expect(told[0]).toMatchObject({ kind: "stranger", where: "store 0 object segments/notes.txt" });
  expect(told[1]).toMatchObject({ summary: { segments: 1, orphans: 0, strangers: 1, findings: 0 } });
  for (const worker of ["compactor", "garbage"]) {
    expect(await cluster.run(["run", worker, ...place, "--now"])).toMatchObject({ status: 0 });
  }
  expect(await readFile(stranger, "utf8")).toBe("mine");
});

test("two compactors at once lose nothing and leave one segment of each record", timeFor(10), async () => {
  await produce("d");
  const both = await Promise.all([1, 2].map(() => cluster.run(["run", "compactor", ...place, "--now"])));
  expect(both.map(({ status }) => status)).toEqual([0, 0]);
  expect(await consume()).toEqual(["a", "large", "b", "large", "c", "large", "d"]);
  const verified = await cluster.run(["segments", "verify", ...place, "--topic", "t", "--json"]);
  expect(verified.status).toBe(0);
  expect(JSON.parse(verified.stdout)).toMatchObject({ summary: { findings: 0 } });
});

test("the cleaner by hand tells of records that it could not look at, and what to run first", timeFor(6), async () => {
  expect(await cluster.run(["topics", "create", "last", "--config", "cleanup.policy=compact"])).toMatchObject({
    status: 0,
  });
  const input = "k\t1\nk\t2\n";
  expect(await cluster.run(["produce", "last", "--key-separator", "\t"], input)).toMatchObject({ status: 0 });
  expect(await cluster.run(["run", "cleaner", ...place, "--now"])).toEqual({
    status: 0,
    stdout: "cleaner: 0 changes\n",
    stderr: `2 records of compacted topics are not in log segments yet: millrace run compactor --data-dir ${cluster.dataDir} --now, then this again\n`,
  });
  await cluster.run(["run", "compactor", ...place, "--now"]);
  const cleaned = await cluster.run(["run", "cleaner", ...place, "--now"]);
  expect(cleaned).toEqual({ status: 0, stdout: "cleaner: 1 change\n", stderr: "" });
});

test("what cannot be meant is refused, and says what could be", timeFor(6), async () => {
  const [unknown, misspelt, topic, file] = await Promise.all([
    cluster.run(["run", "sweeper", ...place]),
    cluster.run(["run", "compator", ...place]),
    cluster.run(["segments", "list", ...place, "--topic", "nope"]),
    cluster.run(["segments", "dump", "README.md"]),
  ]);
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toContain("compactor, cleaner, retention, garbage, replicator, expirer");
  expect(misspelt.status).toBe(2);
  expect(misspelt.stderr).toContain(
    "there is no worker compator; did you mean compactor? There are compactor, cleaner, retention, ",
  );
  expect(topic.status).toBe(1);
  expect(topic.stderr).toContain("there is no topic nope");
  expect(file.status).toBe(2);
  expect(file.stderr).toContain("not named as a segment's file");
});

test("a place without a data directory is named in the same words by every command", timeFor(10), async () => {
  const toName = "name the --data-dir of your broker; npm start uses ./data";
  const nowhere = join(cluster.folder, "nowhere");
  const commands = [["run", "compactor"], ["segments", "list"], ["doctor"], ["journals", "list"]];
  const refused = (dataDir: string) =>
    Promise.all(commands.map((command) => cluster.run([...command, "--data-dir", dataDir])));
  for (const { status, stderr } of await refused(nowhere)) {
    expect(status).toBe(2);
    expect(stderr).toContain(`error: ${nowhere} does not exist: ${toName}\n`);
  }
  for (const { status, stderr } of await refused(cluster.folder)) {
    expect(status).toBe(2);
    expect(stderr).toContain(`error: ${cluster.folder} is no data directory (it has no journal.sqlite): ${toName}\n`);
  }
  // Stores without their journal file are damage, not a mistyped path.
  const damaged = join(cluster.folder, "damaged");
  await mkdir(join(damaged, "store-0"), { recursive: true });
  const examined = await cluster.run(["doctor", "--data-dir", damaged]);
  expect(examined).toMatchObject({ status: 1, stdout: expect.stringContaining("FINDING journal-") });
});

test("every worker runs without a broker too, by the configs of the last one", timeFor(14), async () => {
  await cluster.stop("SIGTERM");
  for (const worker of ["compactor", "cleaner", "retention", "garbage", "replicator", "expirer"]) {
    expect(await cluster.run(["run", worker, ...place, "--now"])).toMatchObject({ status: 0, stderr: "" });
  }
  await cluster.start();
  expect(await consume()).toHaveLength(7);
});
