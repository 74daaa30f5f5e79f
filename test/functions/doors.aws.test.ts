import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FUNCTION_VIEW_MS_MAX } from "#lib/util/limits.ts";
import { FaultProxy } from "../localstack/faults/proxy.ts";
import { offsetsIn, produce, sleep, values } from "./door-calls.ts";
import { DeployedFunctions } from "./environments.ts";

// Each environment is a process under AWS's own runtime client, so two of them are two processes of the deployment.

let deployed: DeployedFunctions;

beforeAll(async () => {
  deployed = await DeployedFunctions.make("doors");
});

afterAll(() => deployed[Symbol.asyncDispose]());

describe("doors", () => {
  test("a cold produce is acknowledged, a warm one too, and another function reads both", async () => {
    await using door = deployed.environment("produce");
    const cold = await produce(door, "cold", { n: 1 });
    expect(cold).toMatchObject({ status: 200, json: { offsets: [{ partition: 0, offset: 0 }] } });
    const warm = await produce(door, "cold", { n: 2 });
    expect(warm).toMatchObject({ status: 200, json: { offsets: [{ partition: 0, offset: 1 }] } });
    expect(door.lambda.coldStarts).toBe(1);
    await using reader = deployed.environment("fetch");
    expect(await values(reader, "cold")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("each function serves the whole app", async () => {
    await using admin = deployed.environment("admin");
    await produce(admin, "anywhere", 1);
    for (const name of ["produce", "fetch", "consumers"] as const) {
      await using door = deployed.environment(name);
      const { status, json } = await door.request({ path: "/topics" });
      expect({ name, status, hasTopic: (json as string[]).includes("anywhere") }).toEqual({
        name,
        status: 200,
        hasTopic: true,
      });
    }
  });

  test("an environment that slept sees what others wrote meanwhile", async () => {
    await using sleeper = deployed.environment("fetch", { isFrozenWhenIdle: true });
    await using writer = deployed.environment("produce");
    await produce(writer, "slept", 1);
    expect(await values(sleeper, "slept")).toEqual([1]);
    await produce(writer, "slept", 2);
    await produce(writer, "new-while-asleep", 3);
    expect(await values(sleeper, "slept")).toEqual([1, 2]);
    expect(await values(sleeper, "new-while-asleep")).toEqual([3]);
  });

  test("after a longer sleep its very first answer is up to date, and not from before", async () => {
    await using sleeper = deployed.environment("fetch", { isFrozenWhenIdle: true });
    await using writer = deployed.environment("produce");
    await produce(writer, "slept-long", 1);
    expect(await values(sleeper, "slept-long")).toEqual([1]);
    await produce(writer, "slept-long", 2);
    await sleep(FUNCTION_VIEW_MS_MAX + 300);
    const { json } = await sleeper.request({ path: "/v1/topics/slept-long/partitions/0/records", query: "offset=1" });
    expect(json).toMatchObject({ high_watermark: 2, records: [{ offset: 1 }] });
  });

  test.each([2, 6, 12, 25, 50])(
    "a produce that is frozen %i ms after it began is written once, however much others write meanwhile",
    async (afterMs) => {
      const topic = `frozen-${afterMs}`;
      await using sleeper = deployed.environment("produce");
      await using writer = deployed.environment("produce");
      await produce(writer, topic, "before");
      await produce(sleeper, topic, "warm");
      const frozen = produce(sleeper, topic, "frozen");
      await sleep(afterMs);
      sleeper.lambda.freeze();
      for (const value of ["a", "b", "c"]) await produce(writer, topic, value);
      await sleep(1_500);
      sleeper.lambda.thaw();
      const answer = await frozen;
      expect(answer.status).toBe(200);
      const [offset = -1] = offsetsIn(answer);
      const all = await values(writer, topic);
      expect(all[offset]).toBe("frozen");
      expect([...all].sort()).toEqual(["a", "b", "before", "c", "frozen", "warm"]);
    },
  );

  test("a table that is not there is an error with a body, and the next call tries again", async () => {
    await using door = deployed.environment("produce", { variables: { MILLRACE_TABLE: "no-such-table" } });
    for (let attempt = 0; attempt < 2; attempt++) {
      const answer = await produce(door, "nowhere", 1);
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(answer.json).toMatchObject({ error_code: expect.any(Number), message: expect.any(String) });
    }
    expect(door.lambda.log).toContain("no-such-table");
  });

  test("without a key there is no answer where keys are needed", async () => {
    await using door = deployed.environment("admin", { variables: { MILLRACE_AUTH: "keys" } });
    const answer = await door.request({ path: "/topics" });
    expect(answer).toMatchObject({ status: 401, json: { error_code: 40101 } });
  });

  test("a caller's address is the one that the front saw", async () => {
    await using door = deployed.environment("admin", { variables: { MILLRACE_IP_DENY: "203.0.113.0/24" } });
    expect((await door.request({ path: "/topics" })).status).toBe(403);
  });
});

describe("schedules", () => {
  test("the housekeeper finds what has moved, then rests; force makes it run", async () => {
    await using writer = deployed.environment("produce");
    await produce(writer, "kept", 1);
    await using housekeeper = deployed.environment("housekeeper");
    expect(await housekeeper.scheduled()).toMatchObject({ kind: "ran" });
    expect(await housekeeper.scheduled({ force: true })).toMatchObject({ kind: "ran", found: 0 });
    expect(await housekeeper.scheduled()).toMatchObject({ kind: "resting" });
    expect(housekeeper.lambda.log).not.toContain('"level":"error"');
  });

  test("a run of the housekeeper that finds nothing asks each journal once, and no bucket", async () => {
    await using proxy = await FaultProxy.start({ target: deployed.endpoint });
    await using writer = deployed.environment("produce");
    // In an object, of which not every bucket is known to have a copy.
    await produce(writer, "idle", "x".repeat(100_000));
    await using housekeeper = deployed.environment("housekeeper", { variables: { AWS_ENDPOINT_URL: proxy.url } });
    for (let found = true; found; ) {
      const run = await housekeeper.scheduled({ force: true });
      found = Number((run as { found: number }).found) > 0;
    }
    const before = proxy.requests;
    expect(await housekeeper.scheduled({ force: true })).toMatchObject({ kind: "ran", found: 0 });
    // One cluster journal, twelve log journals, four group journals.
    expect(proxy.requests - before).toBe(17);
  });

  test("the expirer finds nothing where there are no groups", async () => {
    await using expirer = deployed.environment("expirer");
    expect(await expirer.scheduled()).toMatchObject({ kind: "ran", found: 0 });
  });
});
