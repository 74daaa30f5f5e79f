import { afterAll, describe, expect, test } from "vitest";
import { at, callService, functionsOf, invoke, newLambdaClient } from "./app.ts";

const EACH_MINUTE = ["housekeeper", "expirer"];
const EACH_FIVE_MINUTES = ["compactor", "cleaner", "retention", "garbage"];
/** A rule that calls every minute may be a minute away from its first call. */
const FIRST_CALL_MS_MAX = 100_000;

describe("the scheduled functions", () => {
  const client = newLambdaClient();
  afterAll(() => client.destroy());

  const scheduled = async (names: readonly string[]): Promise<readonly string[]> => {
    const functions = await functionsOf(client);
    const handlers = names.map((name) => `${name}.handler`);
    const found = functions.filter(({ Handler }) => handlers.includes(Handler ?? ""));
    expect(found).toHaveLength(names.length);
    return found.flatMap(({ FunctionName }) => FunctionName ?? []);
  };

  test("run without an error when they are called, and again when there is nothing to do", async () => {
    for (const name of await scheduled([...EACH_MINUTE, ...EACH_FIVE_MINUTES])) {
      for (let i = 0; i < 2; i++)
        expect(await invoke(client, name, { source: "aws.events" })).toMatchObject({ error: undefined });
    }
  });

  test("are called by their rules", async () => {
    const { Rules } = Object.assign(
      { Rules: [] },
      await callService("AWSEvents.ListRules", "application/x-amz-json-1.1", {}),
    );
    const expressions = Rules.map((rule) => at(rule, "ScheduleExpression"));
    for (const [expected, count] of [
      ["rate(1 minute)", EACH_MINUTE.length],
      ["rate(5 minutes)", EACH_FIVE_MINUTES.length],
    ] as const) {
      expect(expressions.filter((expression) => expression === expected).length).toBeGreaterThanOrEqual(count);
    }
    // The others come too seldom to be waited for.
    const names = await scheduled(EACH_MINUTE);
    const startedAtMs = Date.now();
    for (const name of names) {
      while (!(await hasRunSince(name, startedAtMs))) {
        if (Date.now() - startedAtMs > FIRST_CALL_MS_MAX) throw new Error(`${name} was not called`);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    }
  });
});

async function hasRunSince(functionName: string, startTime: number): Promise<boolean> {
  const input = { logGroupName: `/aws/lambda/${functionName}`, startTime, filterPattern: "REPORT" };
  const found = await callService("Logs_20140328.FilterLogEvents", "application/x-amz-json-1.1", input);
  return Number(at(found, "events", "length")) > 0;
}
