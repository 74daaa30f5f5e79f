import { UpdateFunctionConfigurationCommand, waitUntilFunctionUpdatedV2 } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FaultProxy } from "../faults/proxy.ts";
import type { FaultRule } from "../faults/rules.ts";
import { at, call, doorsOf, ENDPOINT, functionsOf, newLambdaClient, STORES, uniqueName } from "./app.ts";

const JSON_V2 = { "content-type": "application/vnd.kafka.json.v2+json" };
/** Too large for a journal's record. */
const LARGE = "x".repeat(100_000);
const OUTAGES: readonly FaultRule[] = [{ fault: "refuse", code: "InternalError" }, { fault: "hang" }];

/** The deployed functions, told by their own variables that the first bucket is reached through a proxy. */
describe("deployed functions whose first bucket is away", () => {
  const client = newLambdaClient();
  const restore: (() => Promise<void>)[] = [];
  let proxy: FaultProxy;
  let produceUrl: string;
  let fetchUrl: string;

  beforeAll(async () => {
    proxy = await FaultProxy.start({ target: ENDPOINT });
    const [produce, fetch] = await doorsOf(client, "produce", "fetch");
    if (produce === undefined || fetch === undefined) throw new Error("there are doors");
    produceUrl = produce.url;
    fetchUrl = fetch.url;
    const functions = await functionsOf(client);
    for (const { functionName } of [produce, fetch]) {
      const found = functions.find(({ FunctionName }) => FunctionName === functionName);
      const variables = found?.Environment?.Variables ?? {};
      restore.push(() => setVariables(functionName, variables));
      const stores = STORES.map((store, storeId) => (storeId === 0 ? `${store}?endpoint=${proxy.url}` : store));
      await setVariables(functionName, { ...variables, MILLRACE_STORES: stores.join(",") });
    }
  });

  afterAll(async () => {
    for (const each of restore) await each();
    client.destroy();
    await proxy[Symbol.asyncDispose]();
  });

  async function setVariables(FunctionName: string, Variables: Record<string, string>): Promise<void> {
    await client.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
    await waitUntilFunctionUpdatedV2({ client, maxWaitTime: 60, minDelay: 1 }, { FunctionName });
  }

  test.each(OUTAGES)("acknowledge and read all the same: $fault", async (outage) => {
    const topic = uniqueName("away");
    const produce = (value: string) => {
      const json = { records: [{ value }] };
      return call(`/topics/${topic}/partitions/0`, { method: "POST", headers: JSON_V2, url: produceUrl, json });
    };
    expect(await produce(`0 ${LARGE}`)).toMatchObject({ status: 200, json: { offsets: [{ offset: 0 }] } });
    const rule = { ...outage, match: "^[A-Z]+ /" };
    proxy.set(rule);
    for (const offset of [1, 2, 3]) {
      expect(await produce(`${offset} ${LARGE}`)).toMatchObject({ status: 200, json: { offsets: [{ offset }] } });
    }
    for (const offset of [0, 1, 2, 3]) {
      const path = `/v1/topics/${topic}/partitions/0/records?offset=${offset}&timeout=5000&max_bytes=1`;
      const { status, json } = await call(path, { url: fetchUrl });
      expect(status).toBe(200);
      const value = Buffer.from(String(at(json, "records", 0, "value")), "base64").toString();
      expect(JSON.parse(value).slice(0, 2)).toBe(`${offset} `);
    }
    expect(proxy.requests).toBeGreaterThan(0);
    proxy.clear();
  });
});
