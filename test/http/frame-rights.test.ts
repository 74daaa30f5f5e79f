import { expect, test } from "vitest";
import { type KnownTopics, requireFrameAccess } from "#lib/http/frame-rights.ts";
import { type Api, Apis } from "#lib/protocol/apis.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import type { Fields, InferInput } from "#lib/protocol/schema.ts";
import { type TopicId, ZERO_UUID } from "#lib/util/branded.ts";

const NEVER = new AbortController().signal;
const OTHERS = "AAAAAAAAAAAAAAAAAAAAKg" as TopicId;

/** A process that learns of the topic `secrets` by the first strong read. */
function lateProcess(): KnownTopics & { readonly reads: () => number } {
  let reads = 0;
  return {
    topic: (topicId) => (reads > 0 && topicId === OTHERS ? { name: "secrets" } : undefined),
    topicByName: (name) => (reads > 0 && name === "secrets" ? {} : undefined),
    brokerFlag: () => true,
    async refresh() {
      reads++;
    },
    reads: () => reads,
  };
}

function check<Q extends Fields>(api: Api<Q>, version: number, request: InferInput<Q>, may: readonly string[]) {
  const frame = Buffer.concat([
    ...encodeRequestFrame(api, { apiVersion: version, correlationId: 1, clientId: "t" }, request),
  ]);
  const process = lateProcess();
  const principal = {
    name: "t",
    may: (operation: string, { name }: { readonly name: string }) => may.includes(`${operation} ${name}`),
  };
  return { process, checked: requireFrameAccess(principal, frame.subarray(4), process, NEVER) };
}

const fetchOf = (topicId: TopicId) => ({
  maxWaitMs: 0,
  minBytes: 0,
  topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }],
  forgottenTopicsData: [],
});

test("a topic of an unknown id is looked for before it counts as nobody's", async () => {
  const { checked } = check(Apis.FETCH, 17, fetchOf(OTHERS), ["read orders"]);
  await expect(checked).rejects.toThrow("no right to read topic secrets");
  const nobodys = check(Apis.FETCH, 17, fetchOf("AAAAAAAAAAAAAAAAAAAAKw" as TopicId), ["read orders"]);
  await nobodys.checked;
  expect(nobodys.process.reads()).toBe(1);
});

test("a topic that others have made needs no right to make it", async () => {
  const request = { topics: [{ name: "secrets", topicId: ZERO_UUID }], allowAutoTopicCreation: true };
  await check(Apis.METADATA, 12, request, ["describe secrets"]).checked;
  const missing = { topics: [{ name: "new", topicId: ZERO_UUID }], allowAutoTopicCreation: true };
  const { checked } = check(Apis.METADATA, 12, missing, ["describe new"]);
  await expect(checked).rejects.toThrow("no right to create topic new");
});

test("versions of Metadata that cannot forbid it ask for the right to make a missing topic", async () => {
  const { checked } = check(Apis.METADATA, 1, { topics: [{ name: "new" }] }, ["describe new"]);
  await expect(checked).rejects.toThrow("no right to create topic new");
});

test("what is known costs no read", async () => {
  const { process, checked } = check(Apis.LIST_OFFSETS, 7, { topics: [{ name: "orders", partitions: [] }] }, [
    "describe orders",
  ]);
  await checked;
  expect(process.reads()).toBe(0);
});
