import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { eventually } from "../serve/eventually.ts";
import { TestCluster, timeFor } from "./support.ts";

/** Nobody is fenced meanwhile, however busy the machine is. */
const PATIENT = ["--broker-config", "broker.session.timeout.ms=120000"];
const STARTED = ["--brokers", "2", "--stores", "2", "--http", "127.0.0.1:0", ...PATIENT];

test("brokers and stores are listed, over Kafka and over HTTP", timeFor(8), async () => {
  await using cluster = new TestCluster(STARTED);
  await cluster.start();
  expect((await cluster.run(["topics", "create", "t", "-p", "4"])).stderr).toBe("");
  expect((await cluster.run(["produce", "t"], "hello\n")).status).toBe(0);
  const brokers = await cluster.run(["brokers", "list"]);
  expect(brokers.stdout.split("\n")).toEqual([
    expect.stringMatching(/^broker {2}address +store {2}rack {2}state +leads$/),
    expect.stringMatching(/^ +0 {2}127\.0\.0\.1:\d+ +0 {2}- +running +2$/),
    expect.stringMatching(/^ +1 {2}127\.0\.0\.1:\d+ +1 {2}- +running +2$/),
    "",
  ]);
  const stores = await cluster.run(["stores", "list"]);
  const urls = [0, 1].map((id) => pathToFileURL(`${cluster.dataDir}/store-${id}`).href);
  expect(stores.stdout.split("\n")).toEqual([
    expect.stringMatching(/^store {2}state +partitions {2}under-replicated {2}bytes +brokers +url$/),
    expect.stringMatching(new RegExp(`^ +0 {2}whole +4 +0 {2}7\\d B +0 +${urls[0]}$`)),
    expect.stringMatching(new RegExp(`^ +1 {2}whole +4 +0 {2}7\\d B +1 +${urls[1]}$`)),
    "",
  ]);
  // One door leads to one process, which tells of its own store.
  const http = ["--url", `http://${cluster.http}`, "--json"];
  const found: unknown = JSON.parse((await cluster.run(["stores", "list", ...http])).stdout);
  expect(found).toEqual([expect.objectContaining({ url: urls[0], state: "whole", partitions: 4, brokers: [0] })]);
  const known: unknown = JSON.parse((await cluster.run(["brokers", "list", ...http])).stdout);
  expect(known).toEqual([
    expect.objectContaining({ id: 0, store: null, state: "running", leadsPartitions: 2 }),
    expect.objectContaining({ id: 1, store: null, state: "running", leadsPartitions: 2 }),
  ]);
  // A leader that does not answer hides nothing but its own offsets.
  const frozen = Number(readFileSync(join(cluster.dataDir, "broker-1.pid"), "latin1"));
  process.kill(frozen, "SIGSTOP");
  const described = await cluster.run(["topics", "describe", "t"]);
  process.kill(frozen, "SIGCONT");
  const offsets = described.stdout.split("\n").slice(3, 7);
  expect(offsets.map((line) => line.trim().split(/ +/).slice(1))).toEqual([
    ["0", "0,1", "0,1", "0", "1"],
    ["1", "1,0", "1,0", "?", "?"],
    ["0", "0,1", "0,1", "0", "0"],
    ["1", "1,0", "1,0", "?", "?"],
  ]);
  expect(described).toMatchObject({ status: 0, stderr: "" });
});

test("a lost store is replaced by an empty one, which is brought what the others have", timeFor(9), async () => {
  await using cluster = new TestCluster(["--stores", "3"]);
  await cluster.start();
  expect((await cluster.run(["topics", "create", "t"])).status).toBe(0);
  expect((await cluster.run(["produce", "t"], `${"x".repeat(200_000)}\n`)).status).toBe(0);
  const replace = (store: number) => ["stores", "replace", String(store), "--data-dir", cluster.dataDir];
  expect((await cluster.run(replace(1))).stderr).toContain("is not lost: a store lies there");
  expect((await cluster.run(replace(3))).stderr).toContain("this cluster has no store 3");
  const root = join(cluster.dataDir, "store-1");
  const objects = () => readdirSync(root, { recursive: true }).filter((name) => String(name).startsWith("wal/")).length;
  const before = objects();
  expect(before).toBeGreaterThan(0);
  rmSync(root, { recursive: true });
  expect((await cluster.run(["produce", "t"], `${"y".repeat(200_000)}\n`)).status).toBe(0);
  expect(await cluster.run(replace(1))).toMatchObject({ stdout: "replaced store 1\n", stderr: "" });
  await eventually(objects, (count) => count > before);
  const doctor = await cluster.run(["doctor", "--data-dir", cluster.dataDir]);
  expect([doctor.status, doctor.stdout]).toEqual([0, expect.stringContaining(" 0 findings")]);
});
