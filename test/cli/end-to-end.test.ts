import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { partitionOfKey } from "#lib/client/murmur2.ts";
import { TestCluster, timeFor } from "./support.ts";

const cluster = new TestCluster();

beforeAll(() => cluster.start(), timeFor(1).timeout);
afterAll(() => cluster[Symbol.asyncDispose]());

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const lines = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");

test(
  "topics are created, altered, described and deleted, and the exit status says how it went",
  timeFor(8),
  async () => {
    const { run } = { run: cluster.run.bind(cluster) };
    const created = await run(["topics", "create", "t1", "--partitions", "2", "--config", "retention.ms=1000"]);
    expect(created).toMatchObject({ status: 0, stdout: "created t1 partitions=2\n" });
    const [again, taken, altered] = await Promise.all([
      run(["topics", "create", "t1"]),
      run(["topics", "create", "t1", "--if-not-exists"]),
      run([
        "topics",
        "alter",
        "t1",
        "--partitions",
        "3",
        "--config",
        "segment.bytes=1048576",
        "--delete-config",
        "retention.ms",
      ]),
    ]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain("TOPIC_ALREADY_EXISTS");
    expect(taken).toMatchObject({ status: 0, stdout: "exists t1\n" });
    expect(altered).toMatchObject({ status: 0, stderr: "" });
    const described = await run(["topics", "describe", "t1", "--json"]);
    expect(JSON.parse(described.stdout)).toMatchObject([
      {
        name: "t1",
        configs: { "segment.bytes": "1048576" },
        partitions: [{ partition: 0, isr: [0], latestOffset: 0 }, {}, {}],
      },
    ]);
    const [deleted, unknown] = await Promise.all([
      run(["topics", "delete", "t1", "nope", "--if-exists"]),
      run(["topics", "describe", "nope"]),
    ]);
    expect(deleted).toEqual({
      status: 0,
      stdout: "deleted t1\nmissing nope\n",
      stderr: `its files go in some hours; at once: millrace run garbage --data-dir ${cluster.dataDir} --now\n`,
    });
    expect(unknown.status).toBe(1);
    expect(unknown.stderr).toContain("UNKNOWN_TOPIC_OR_PARTITION");
    expect(lines((await run(["topics", "list"])).stdout)).not.toContain("t1");
  },
);

test("what cannot be understood is refused with status 2 before anything is sent", timeFor(6), async () => {
  const wrong = [
    ["topics", "frobnicate"],
    ["topics", "create", "x", "--partitions", "none"],
    ["topics", "alter", "x"],
    ["consume", "x", "--from", "middle"],
    ["produce", "x", "--whole-file"],
    ["doctor", "--data-dir", join(cluster.folder, "nowhere")],
  ];
  const ran = await Promise.all(wrong.map((args) => cluster.run(args)));
  for (const [index, { status, stderr }] of ran.entries()) {
    expect(status, wrong[index]?.join(" ")).toBe(2);
    expect(stderr).toContain("error:");
  }
});

test(
  "a line that cannot be understood after others were sent is status 1, and the text says how many were",
  timeFor(4),
  async () => {
    await cluster.run(["topics", "create", "t-half"]);
    const good = "k:v\n".repeat(100_000);
    const [late, early] = await Promise.all([
      cluster.run(["produce", "t-half", "-K", ":"], `${good}bad\n`),
      cluster.run(["produce", "t-half", "-K", ":"], "bad\nk:v\n"),
    ]);
    const stored = lines((await cluster.run(["consume", "t-half"])).stdout).length;

    expect(early.status).toBe(2);
    expect(late.status).toBe(1);
    expect(late.stderr).toContain(
      `stdin:100001: the line has no key separator; the first ${stored} records were produced`,
    );
    expect(stored).toBeGreaterThan(0);
  },
);

test("Ctrl-C ends produce with status 130 and says how much was acknowledged", timeFor(5), async () => {
  await cluster.run(["topics", "create", "t-interrupted"]);
  const producing = cluster.spawn(["produce", "t-interrupted"]);
  const ended = cluster.outcome(producing);
  producing.stdin?.write("a\nb\n");
  await vi.waitFor(async () => expect((await cluster.run(["consume", "t-interrupted"])).stdout).toBe("a\nb\n"), 30_000);
  producing.kill("SIGINT");
  const { status, stderr } = await ended;

  expect(status).toBe(130);
  expect(stderr).toContain("of 2 records were acknowledged");
});

test("no broker is an error that says what to do", timeFor(1), async () => {
  const ran = await cluster.run(["topics", "list", "--bootstrap-server", "127.0.0.1:1"]);
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain("npm start");
});

test("records come back as they went, in every codec, by key, offset, time and partition", timeFor(11), async () => {
  await cluster.run(["topics", "create", "t2", "-p", "3"]);
  const words = ["DE:Berlin", "FR:Paris", "DE:Bonn", "IT:", "FR:null"];
  const produced = await Promise.all(
    CODECS.map((codec) =>
      cluster.run(
        ["produce", "t2", "-K", ":", "-z", codec, "-H", `codec=${codec}`, "--null-value", "null"],
        words.join("\n"),
      ),
    ),
  );
  for (const each of produced) expect(each.stdout).toMatch(/^produced 5 records/);
  const { stdout } = await cluster.run(["consume", "t2", "--format", "json"]);
  const records = lines(stdout).map((line) => JSON.parse(line));
  expect(records).toHaveLength(25);
  for (const record of records) expect(record.partition).toBe(partitionOfKey(Buffer.from(record.key), 3));
  const french = records.filter((record) => record.key === "FR");
  for (const codec of CODECS) {
    const ofCodec = french.filter((record) => record.headers[0].value === codec);
    expect(ofCodec.map((record) => record.value)).toEqual(["Paris", null]);
  }

  const home = String(french[0].partition);
  const [one, late, none, beyond] = await Promise.all([
    cluster.run(["consume", "t2", "-p", home, "--from", "offset:1", "-n", "1", "--format", "json"]),
    cluster.run(["consume", "t2", "--from", `time:${records.at(-1).timestamp}`, "--format", "key-value", "-K", "="]),
    cluster.run(["consume", "t2", "--from", "end"]),
    cluster.run(["consume", "t2", "-p", home, "--from", "offset:999"]),
  ]);
  expect(JSON.parse(one.stdout)).toMatchObject({ offset: 1, partition: Number(home) });
  expect(late.stdout).toContain("=");
  expect(none).toMatchObject({ status: 0, stdout: "" });
  expect(beyond.status).toBe(1);
  expect(beyond.stderr).toContain("OFFSET_OUT_OF_RANGE");
});

test("bytes of a file are one record, and what JSON says of a record holds", timeFor(7), async () => {
  await cluster.run(["topics", "create", "t3", "-p", "2"]);
  const file = join(cluster.folder, "bytes");
  writeFileSync(file, Buffer.from([0, 255, 10, 13, 128]));
  await cluster.run(["produce", "t3", "--whole-file", "-f", file, "-k", "file", "-p", "1", "--acks", "1"]);
  await cluster.run(["produce", "t3", "--acks", "0", "-p", "0"], "nobody answers\n");
  const [back, fire] = await Promise.all([
    cluster.run(["consume", "t3", "-p", "1", "--format", "json"]),
    cluster.run(["consume", "t3", "-p", "0"]),
  ]);
  expect(JSON.parse(back.stdout)).toMatchObject({ key: "file", value: "AP8KDYA=", valueEncoding: "base64" });
  expect(fire.stdout).toBe("nobody answers\n");
  const copied = await cluster.run(["produce", "t3", "--json", "-p", "0"], back.stdout);
  expect(copied.status).toBe(0);
  const both = await cluster.run(["consume", "t3", "--from", "beginning"]);
  expect(both.stdout.split("\x00\xff\n\r\x80").length).toBe(3);
});

test(
  "a broker that is killed in the middle loses nothing of what was acknowledged, and doctor finds nothing",
  timeFor(7),
  async () => {
    await cluster.run(["topics", "create", "t4", "-p", "4"]);
    const follower = cluster.spawn(["consume", "t4", "--follow"]);
    let followed = "";
    follower.stdout?.on("data", (chunk: Buffer) => {
      followed += chunk.toString();
    });
    const input = Array.from({ length: 40_000 }, (_, n) => `key ${n % 100}\tvalue ${n}\n`);
    const half = input.length / 2;
    const producer = cluster.spawn(["produce", "t4", "-K", "\\t"]);
    const producing = cluster.outcome(producer);
    producer.stdin?.write(input.slice(0, half).join(""));
    await expect.poll(() => followed, { timeout: 20_000, interval: 5 }).not.toBe("");
    await cluster.stop("SIGKILL");
    producer.stdin?.end(input.slice(half).join(""));
    await cluster.start();
    const produced = await producing;
    expect(produced).toMatchObject({ status: 0 });
    expect(produced.stdout).toMatch(/^produced 40000 records/);
    const consumed = await cluster.run(["consume", "t4", "--format", "key-value"]);
    const byKey = (all: readonly string[]) =>
      [...all].sort((a, b) => Number(a.split(" ")[1]?.split("\t")[0]) - Number(b.split(" ")[1]?.split("\t")[0]));
    // Sorting is stable: the order within each key is compared too.
    expect(byKey(lines(consumed.stdout))).toEqual(byKey(input.map((line) => line.slice(0, -1))));
    await expect.poll(() => lines(followed).length, { timeout: 30_000 }).toBe(40_000);
    follower.kill();

    const running = await cluster.run(["doctor", "--data-dir", cluster.dataDir]);
    expect(running).toMatchObject({ status: 0, stderr: "" });
    expect(running.stdout).toContain("0 findings");
  },
);

test("journals are listed and shown, and damage is told with status 1", timeFor(6), async () => {
  const listed = await cluster.run(["journals", "list", "--data-dir", cluster.dataDir, "--json"]);
  const journals: readonly { journal: string }[] = JSON.parse(listed.stdout);
  expect(journals.map((one) => one.journal)).toContain("cluster");
  const [shown, text, unknown] = await Promise.all([
    cluster.run(["journals", "show", "cluster", "--data-dir", cluster.dataDir, "--json"]),
    cluster.run(["journals", "show", "cluster", "--data-dir", cluster.dataDir, "--from", "2", "--limit", "1"]),
    cluster.run(["journals", "show", "clutter", "--data-dir", cluster.dataDir]),
  ]);
  const kinds = lines(shown.stdout).flatMap((line) =>
    JSON.parse(line).commands.map((one: { kind: string }) => one.kind),
  );
  expect(kinds).toEqual(
    expect.arrayContaining(["register-store", "create-topic", "delete-topic", "allocate-producer-ids"]),
  );
  expect(text.stdout).toMatch(/^2 {2}\d+ bytes {2}checksum=/);
  expect(unknown.status).toBe(1);

  await cluster.stop("SIGTERM");
  writeFileSync(join(cluster.dataDir, "store-0", "marker.json"), "{}\n");
  const damaged = await cluster.run(["doctor", "--data-dir", cluster.dataDir]);
  expect(damaged.status).toBe(1);
  expect(damaged.stdout).toMatch(/^FINDING store-marker store 0: .+; .+\nchecked /);
});
