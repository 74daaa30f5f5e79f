import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DYNAMODB_CALL_MS_MAX, FLUSH_TIMEOUT_MS, PROPOSE_MS_MAX, S3_CALL_MS_MAX } from "#lib/util/limits.ts";
import { FaultProxy } from "../localstack/faults/proxy.ts";
import type { FaultRule } from "../localstack/faults/rules.ts";
import { offsetsIn, produce, sleep, values } from "./door-calls.ts";
import { DeployedFunctions, type FunctionEnvironmentUnderTest, type HttpAnswer } from "./environments.ts";

// The host takes the processor away in the middle of a produce, at a request of the bundle's that a proxy holds back, and
// gives it back when the time limits of that request are over, or those of the whole produce as well.

/** Time enough to freeze the process while its request is with the proxy. */
const HELD_MS = 400;
/** Its requests have taken too long by then, and are sent again. */
const PAST_CALLS_MS = Math.max(DYNAMODB_CALL_MS_MAX, S3_CALL_MS_MAX) + 1_500;
/** And so has the produce itself, and the call of the function: nothing is sent again. */
const PAST_ALL_MS = Math.max(FLUSH_TIMEOUT_MS, PROPOSE_MS_MAX) + 1_500;
const RECORDS = 3;

interface Moment {
  readonly when: string;
  readonly held: FaultRule;
  readonly recordBytes: number;
}

const commit = { match: "DynamoDB_20120810.PutItem$", times: 1, delayMs: HELD_MS };
const upload = { match: "^PUT /", times: 1, delayMs: HELD_MS };
const SMALL = 10;
/** Too large for a journal's record. */
const LARGE = 100_000;

const MOMENTS: readonly Moment[] = [
  { when: "its commit is carried out", held: { ...commit, fault: "delay" }, recordBytes: SMALL },
  { when: "its commit is lost on the way", held: { ...commit, fault: "lose-request" }, recordBytes: SMALL },
  { when: "the answer to its commit is lost", held: { ...commit, fault: "lose-answer" }, recordBytes: SMALL },
  {
    when: "its commit arrives behind those of others",
    held: { ...commit, fault: "write-late", afterMs: PAST_CALLS_MS / 2 },
    recordBytes: SMALL,
  },
  { when: "its object is being uploaded", held: { ...upload, fault: "delay" }, recordBytes: LARGE },
  { when: "its object is lost on the way", held: { ...upload, fault: "lose-request" }, recordBytes: LARGE },
  { when: "the commit of its object is carried out", held: { ...commit, fault: "delay" }, recordBytes: LARGE },
];

const CASES = MOMENTS.flatMap((moment, at) =>
  [
    { frozenMs: PAST_CALLS_MS, timeoutMs: 60_000 },
    { frozenMs: PAST_ALL_MS, timeoutMs: PAST_ALL_MS - 1_000 },
  ].map((times) => ({ ...moment, ...times, topic: `frozen-${at}-${times.frozenMs}` })),
);
type Case = (typeof CASES)[number];

interface Sleeper {
  readonly door: FunctionEnvironmentUnderTest;
  readonly answer: Promise<HttpAnswer>;
  readonly frozenAtMs: number;
}

const label = (value: unknown): string => String(value).split(" ", 1).join("");

describe("a produce that is frozen for longer than its time limits", () => {
  let deployed: DeployedFunctions;
  let writer: FunctionEnvironmentUnderTest;
  const opened = new AsyncDisposableStack();
  const sleepers = new Map<Case, Sleeper>();

  /** Begins a produce and freezes it at its moment. */
  async function freeze({ held, recordBytes, timeoutMs, topic }: Case): Promise<Sleeper> {
    const proxy = opened.use(await FaultProxy.start({ target: deployed.endpoint }));
    const variables = { AWS_ENDPOINT_URL: proxy.url };
    const door = opened.use(deployed.environment("produce", { variables, timeoutMs }));
    expect((await produce(door, topic, "warm")).status).toBe(200);
    const rule = proxy.add(held);
    const records = Array.from({ length: RECORDS }, (_, i) => `frozen-${i} ${"x".repeat(recordBytes)}`);
    const answer = produce(door, topic, ...records);
    while (rule.hits === 0) await sleep(1);
    door.lambda.freeze();
    return { door, answer, frozenAtMs: performance.now() };
  }

  beforeAll(async () => {
    deployed = opened.use(await DeployedFunctions.make("frozen"));
    writer = opened.use(deployed.environment("produce"));
    for (const each of CASES) expect((await produce(writer, each.topic, "before")).status).toBe(200);
    for (const each of CASES) sleepers.set(each, await freeze(each));
    // All sleep at the same time, and their journals go on without them.
    await sleep(HELD_MS);
    for (const { topic } of CASES) for (const value of ["a", "b"]) await produce(writer, topic, value);
  }, 180_000);

  afterAll(() => opened[Symbol.asyncDispose]());

  test.each(CASES.toSorted((a, b) => a.frozenMs - b.frozenMs))("as $when, for $frozenMs ms", async (given) => {
    const sleeper = sleepers.get(given);
    if (sleeper === undefined) throw new Error("it was not frozen");
    const { door, answer, frozenAtMs } = sleeper;
    await sleep(Math.max(0, frozenAtMs + given.frozenMs - performance.now()));
    door.lambda.thaw();
    const { status, json } = await answer;
    // With time left it goes on where it was; without, nobody can say what became of it.
    if (given.frozenMs === PAST_CALLS_MS) expect(status).toBe(200);
    else if (status !== 200) expect({ status, json }).toMatchObject({ status: 504, json: { error_code: 50401 } });

    const next = await produce(door, given.topic, "after");
    expect(next.status).toBe(200);
    expect(door.lambda.coldStarts).toBe(1);

    const all = (await values(writer, given.topic)).map(label);
    const [nextOffset = -1] = offsetsIn(next);
    expect(all[nextOffset]).toBe("after");
    expect(all.filter((each) => !each.startsWith("frozen")).toSorted()).toEqual(["a", "after", "b", "before", "warm"]);
    const frozen = Array.from({ length: RECORDS }, (_, i) => `frozen-${i}`);
    const first = all.indexOf("frozen-0");
    const isWritten = all.some((each) => each.startsWith("frozen"));
    // All of its records once, side by side, or none.
    if (isWritten) expect(all.slice(first, first + RECORDS)).toEqual(frozen);
    expect(all).toHaveLength(5 + (isWritten ? RECORDS : 0));
    if (status === 200) expect(offsetsIn(await answer)).toEqual(frozen.map((_, i) => first + i));
  });
});
