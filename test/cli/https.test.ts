import { afterAll, beforeAll, expect, test } from "vitest";
import { TestCluster, timeFor } from "./support.ts";

const cluster = new TestCluster(["--http", "127.0.0.1:0", "--http-auth", "keys"]);
let url = "";
let admin = "";

beforeAll(async () => {
  await cluster.start();
  url = `http://${cluster.http}`;
  const made = await cluster.run(["keys", "create", "first", "--admin", "--data-dir", cluster.dataDir]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  admin = made.stdout.trim();
}, timeFor(2).timeout);
afterAll(() => cluster[Symbol.asyncDispose]());

const over = (key: string) => ["--url", url, "--key", key];

test("a key made in the data directory of a running broker opens its HTTP door", timeFor(4), async () => {
  expect(admin).toMatch(/^mr_[a-z2-7]{16}_[\w-]{43}$/);
  const created = await cluster.run(["topics", "create", "t1", "--partitions", "2", ...over(admin)]);
  expect(created).toMatchObject({ status: 0, stdout: "created t1 partitions=2\n" });
  const produced = await cluster.run(["produce", "t1", "-k", "k", ...over(admin)], "one\ntwo\n");
  expect(produced).toMatchObject({ status: 0 });
  const consumed = await cluster.run(["consume", "t1", "--from", "beginning", ...over(admin)]);
  expect(consumed).toMatchObject({ status: 0, stdout: "one\ntwo\n" });
});

test("a key of few rights does what it may and is told what it may not", timeFor(5), async () => {
  await cluster.run(["topics", "create", "t2", ...over(admin)]);
  const made = await cluster.run(["keys", "create", "--write", "t2", "--json", ...over(admin)]);
  const { key, id } = JSON.parse(made.stdout);
  const [allowed, refused] = await Promise.all([
    cluster.run(["produce", "t2", ...over(key)], "line\n"),
    cluster.run(["topics", "delete", "t2", ...over(key)]),
  ]);
  expect(allowed).toMatchObject({ status: 0 });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("answers 403: This key has no right to alter the cluster.");
  expect((await cluster.run(["keys", "list", ...over(admin)])).stdout).toContain("write:t2");
  expect((await cluster.run(["keys", "delete", key, ...over(admin)])).stdout).toBe(`deleted ${id}\n`);
});

test("without a key, or where nobody listens, the text says what to do", timeFor(3), async () => {
  const [without, wrong, nowhere] = await Promise.all([
    cluster.run(["topics", "list", "--url", url]),
    cluster.run(["keys", "list", ...over("mr_wrong")]),
    cluster.run(["cost", "--url", "http://127.0.0.1:1"]),
  ]);
  expect([without.status, wrong.status, nowhere.status]).toEqual([1, 1, 1]);
  expect(without.stderr).toContain("answers 401: Unauthorized: an API key is needed");
  expect(wrong.stderr).toContain("millrace keys create makes one");
  expect(nowhere.stderr).toContain("cannot reach http://127.0.0.1:1: ");
});

test("what cannot be meant is refused with status 2", timeFor(5), async () => {
  const wrong = [
    ["keys", "create", ...over(admin)],
    ["keys", "create", "--read", "*", "--expires", "soon", ...over(admin)],
    ["keys", "list"],
    ["keys", "list", "--data-dir", "a", "--journal", "dynamodb://table"],
    ["topics", "list", "--url", "ftp://x"],
    ["cost"],
  ];
  const ran = await Promise.all(wrong.map((args) => cluster.run(args)));
  expect(ran.map(({ status }) => status)).toEqual(wrong.map(() => 2));
});

test("cost prices what lies in a data directory", timeFor(2), async () => {
  const json = await cluster.run(["cost", "--data-dir", cluster.dataDir, "--json"]);
  const { records, recordUsd } = JSON.parse(json.stdout);
  expect(records).toBeGreaterThan(3);
  expect(recordUsd).toBeCloseTo((records * 0.625) / 1e6, 5);
  const text = await cluster.run(["cost", "--data-dir", cluster.dataDir]);
  expect(text.stdout).toContain("journal records put");
});
