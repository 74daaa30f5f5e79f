import { expect } from "vitest";
import { JOURNAL_POLL_MS } from "#lib/util/limits.ts";
import type { FunctionEnvironmentUnderTest, HttpAnswer } from "./environments.ts";

// What the tests of functions ask their doors.

const JSON_V2 = { "content-type": "application/vnd.kafka.json.v2+json", accept: "application/vnd.kafka.v2+json" };

/** Writes values in one request; the topic's partitioner says where they go. */
export function produce(
  door: FunctionEnvironmentUnderTest,
  topic: string,
  ...values: readonly unknown[]
): Promise<HttpAnswer> {
  const body = JSON.stringify({ records: values.map((value) => ({ value })) });
  return door.request({ method: "POST", path: `/topics/${topic}`, headers: JSON_V2, body });
}

/** The offsets that a produce was answered with. */
export function offsetsIn({ json }: HttpAnswer): readonly number[] {
  return (json as { offsets: { offset: number }[] }).offsets.map(({ offset }) => offset);
}

/**
 * The values of partition 0, which were produced as JSON, up to where nothing more comes. A fetch that has something to
 * answer answers that at once, and one that has nothing may be a little behind: twice nothing is the end.
 */
export async function values(door: FunctionEnvironmentUnderTest, topic: string): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for (let empty = 0; empty < 2; ) {
    const path = `/v1/topics/${topic}/partitions/0/records`;
    const answer = await door.request({ path, query: `offset=${found.length}` });
    expect(answer.status).toBe(200);
    const { records } = answer.json as { records: { value: string }[] };
    empty = records.length === 0 ? empty + 1 : 0;
    if (records.length === 0) await sleep(JOURNAL_POLL_MS);
    for (const { value } of records) found.push(JSON.parse(Buffer.from(value, "base64").toString()));
  }
  return found;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
