import { describe, expect, test } from "vitest";
import { describeEnvironment, handlerFolder } from "./environment-facts.ts";
import { LambdaEnvironment } from "./lambda-environment.ts";
import { splitStreamed } from "./runtime-api.ts";
import { runtimeClientCommand } from "./runtime-client.ts";

describe("an execution environment with AWS's own client", () => {
  describeEnvironment(runtimeClientCommand);
});

describe("streamed answers", () => {
  const directory = handlerFolder(`
    const wait = () => new Promise((resolve) => setTimeout(resolve, 30));
    export const parts = awslambda.streamifyResponse(async (event, stream) => {
      const metadata = { statusCode: 201, headers: { "x-kind": "parts" } };
      const body = awslambda.HttpResponseStream.from(stream, metadata);
      for (const part of event.parts) { body.write(part); await wait(); }
      body.end();
    });
    export const broken = awslambda.streamifyResponse(async (event, stream) => {
      stream.write("begun");
      await wait();
      throw new RangeError("in the middle");
    });
  `);

  test("arrive chunk by chunk, with status and headers before the body", async () => {
    await using environment = new LambdaEnvironment({
      command: runtimeClientCommand(),
      directory,
      handler: "index.parts",
    });
    const arrivedAtMs: number[] = [];
    const outcome = await environment.invoke(
      { parts: ["one ", "two ", "three"] },
      { onChunk: () => arrivedAtMs.push(performance.now()) },
    );
    if (outcome.kind !== "answered") throw new Error(outcome.errorMessage);
    expect(outcome.isStreamed).toBe(true);
    const { statusCode, headers, body } = splitStreamed(outcome.body);
    expect({ statusCode, kind: headers["x-kind"], body: body.toString() }).toEqual({
      statusCode: 201,
      kind: "parts",
      body: "one two three",
    });
    expect((arrivedAtMs.at(-1) ?? 0) - (arrivedAtMs[0] ?? 0)).toBeGreaterThan(40);
  });

  test("that break off are failures", async () => {
    await using environment = new LambdaEnvironment({
      command: runtimeClientCommand(),
      directory,
      handler: "index.broken",
    });
    expect(await environment.invoke({})).toMatchObject({
      kind: "failed",
      errorType: "RangeError",
      errorMessage: "in the middle",
    });
  });
});
