import { afterAll, beforeAll, expect, test } from "vitest";
import { newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { RequestLedger } from "#lib/runtime/ledger.ts";
import type { FunctionName } from "../../infra/bundle-functions.ts";
import { awsVariables, REGION } from "../localstack/cloud.ts";
import { FaultProxy } from "../localstack/faults/proxy.ts";
import { produce, sleep, values } from "./door-calls.ts";
import { DeployedFunctions } from "./environments.ts";

// Each call of a worker is one of its schedule; nobody but functions is there.

/** Too large for a journal's record. */
const LARGE = "x".repeat(50_000);
const STORES = [0, 1, 2];
const REQUESTS_OF_A_RUN_MAX = { compactor: 13, retention: 25, garbage: 30 };

let deployed: DeployedFunctions;

beforeAll(async () => {
  deployed = await DeployedFunctions.make("workers");
  const variables = awsVariables(deployed.endpoint);
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const) process.env[name] ??= variables[name];
});

afterAll(() => deployed[Symbol.asyncDispose]());

/** What lies in each bucket. */
async function keys(prefix: string): Promise<readonly (readonly string[])[]> {
  const client = newS3Client({ endpoint: deployed.endpoint, region: REGION, forcePathStyle: true });
  try {
    const options = { prefix, startAfter: "", limit: 1_000 };
    return await Promise.all(
      STORES.map(async (id) => {
        const store = new S3ObjectStore({
          client,
          bucket: `${deployed.table}-${id}`,
          ledger: new RequestLedger(),
          clock: new SystemClock(),
        });
        const { objects } = await store.list(options, AbortSignal.timeout(10_000));
        return objects.map(({ key }) => key);
      }),
    );
  } finally {
    client.destroy();
  }
}

/** A call by hand of a new process of the function, and another one behind it: what both have found. */
async function force(name: FunctionName): Promise<readonly number[]> {
  await using worker = deployed.environment(name);
  const found: number[] = [];
  for (let call = 0; call < 2; call++) {
    const run = await worker.scheduled({ force: true });
    expect(run).toMatchObject({ kind: "ran" });
    found.push(Number((run as { found: number }).found));
  }
  expect(worker.lambda.log).not.toContain('"level":"error"');
  return found;
}

test("what producers have written becomes segments, what it lay in is deleted, and all of it is read as before", async () => {
  const topic = "compacted";
  await using door = deployed.environment("produce");
  const written: string[] = [];
  for (let at = 0; at < 4; at++) {
    for (const value of [`${at} small`, `${at} ${LARGE}`]) {
      expect((await produce(door, topic, value)).status).toBe(200);
      written.push(value);
    }
  }
  for (const wal of await keys("wal/")) expect(wal.length).toBe(4);
  const [segmentCount] = await force("compactor");
  expect(segmentCount).toBe(1);
  const named = (await keys("segments/")).map((each) => each.map((key) => key.replace(/.*\//, "")));
  const offset = "0".repeat(20);
  for (const names of named) expect(names).toEqual([`${offset}.index`, `${offset}.log`, `${offset}.timeindex`]);

  expect(await force("garbage")).toEqual([3 * 4, 0]);
  expect(await keys("wal/")).toEqual([[], [], []]);
  await using reader = deployed.environment("fetch");
  expect(await values(reader, topic)).toEqual(written);
  // A door that does not know of the garbage collector's floor yet may be refused once; a cold one knows it.
  await using cold = deployed.environment("produce");
  for (const [each, refusals] of [
    [cold, 0],
    [door, 1],
  ] as const) {
    for (let left = refusals; ; left--) {
      const { status } = await produce(each, topic, `later ${LARGE}`);
      if (status === 503 && left > 0) continue;
      expect(status).toBe(200);
      break;
    }
    written.push(`later ${LARGE}`);
  }
  expect(await values(reader, topic)).toEqual(written);
});

test("records past their retention are gone, and with them what they lay in", async () => {
  const topic = "short-lived";
  await using admin = deployed.environment("admin");
  const { json } = await admin.request({ path: "/v3/clusters" });
  const [{ cluster_id: clusterId }] = (json as { data: [{ cluster_id: string }] }).data;
  const body = JSON.stringify({ topic_name: topic, configs: [{ name: "retention.ms", value: "1" }] });
  const headers = { "content-type": "application/json" };
  const made = await admin.request({ method: "POST", path: `/v3/clusters/${clusterId}/topics`, headers, body });
  expect(made.status).toBe(201);
  for (let at = 0; at < 3; at++) expect((await produce(admin, topic, `${at} ${LARGE}`)).status).toBe(200);
  const before = (await keys("wal/")).map((each) => each.length);
  for (const count of before) expect(count).toBeGreaterThanOrEqual(3);
  // The service's clock is known to the second.
  await sleep(2_500);
  expect(await force("retention")).toEqual([1, 0]);
  const { json: read } = await admin.request({ path: `/v1/topics/${topic}/partitions/0/records`, query: "offset=3" });
  expect(read).toMatchObject({ high_watermark: 3, records: [] });
  // What others' refused uploads have left goes as well.
  const [deletedCount = 0, restCount] = await force("garbage");
  expect(deletedCount).toBeGreaterThanOrEqual(3 * 3);
  expect(restCount).toBe(0);
  for (const [at, left] of (await keys("wal/")).entries())
    expect(left.length).toBeLessThanOrEqual(Number(before[at]) - 3);
});

test.each(["compactor", "retention", "garbage"] as const)(
  "the %s that finds nothing reads journals, and then rests and asks nobody",
  async (name) => {
    await using proxy = await FaultProxy.start({ target: deployed.endpoint });
    await using worker = deployed.environment(name, { variables: { AWS_ENDPOINT_URL: proxy.url } });
    for (let found = true; found; ) {
      const run = await worker.scheduled({ force: true });
      found = Number((run as { found: number }).found) > 0;
    }
    const before = proxy.requests;
    expect(await worker.scheduled({ force: true })).toMatchObject({ kind: "ran", found: 0 });
    // A read of the cluster's journal and of each log journal; producers are looked for by themselves, and buckets listed.
    expect(proxy.requests - before).toBeLessThanOrEqual(REQUESTS_OF_A_RUN_MAX[name]);
    const resting = proxy.requests;
    expect(await worker.scheduled({ source: "aws.events" })).toMatchObject({ kind: "resting" });
    expect(proxy.requests).toBe(resting);
  },
);
