import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ElectionType } from "#lib/protocol/messages/elect-leaders.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { defined } from "#lib/util/assert.ts";
import { batchOf, produce } from "../serve/kafka-calls.ts";
import { BrokerCluster } from "./broker-cluster.ts";

const { NONE, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE } = ErrorCode;

async function electAt(cluster: BrokerCluster, brokerId: number, partitions: readonly number[], type: number) {
  const answer = await cluster.connection(brokerId).send(Apis.ELECT_LEADERS, 2, {
    electionType: type,
    topicPartitions: [{ topic: "t", partitions }],
    timeoutMs: 10_000,
  });
  return defined(answer.replicaElectionResults[0]).partitionResult;
}

async function codesAt(cluster: BrokerCluster, brokerId: number, partitions: readonly number[], type: number) {
  return (await electAt(cluster, brokerId, partitions, type)).map(({ errorCode }) => errorCode);
}

test("any broker has the preferred leaders elected, where they run and their stores are in sync", async () => {
  await using cluster = await BrokerCluster.start(3);
  await cluster.createTopic("t", 3);
  // Their first replicas are at stores 0, 0 and 0: the test has placed them so.
  for (const partition of [0, 1]) await cluster.elect(1, "t", partition);
  await cluster.elect(0, "t", 2);
  const elect = (brokerId: number) => codesAt(cluster, brokerId, [2, 0, 1], ElectionType.PREFERRED);
  expect(await elect(2)).toEqual([ELECTION_NOT_NEEDED, NONE, NONE]);
  expect(await elect(2)).toEqual([ELECTION_NOT_NEEDED, ELECTION_NOT_NEEDED, ELECTION_NOT_NEEDED]);
  const { topics } = await cluster.connection(2).send(Apis.METADATA, 13, { topics: [{ name: "t" }] });
  const leaders = defined(topics[0]).partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch]);
  expect(leaders).toEqual([
    [0, 2],
    [0, 2],
    [0, 1],
  ]);
  await cluster.elect(2, "t", 1);
  await cluster.kill(0);
  expect(await codesAt(cluster, 1, [1], ElectionType.PREFERRED)).toEqual([PREFERRED_LEADER_NOT_AVAILABLE]);
});

test("an unclean election gives up records of which no copy is left, where the topic permits it", async () => {
  await using cluster = await BrokerCluster.start(2);
  const large = (letter: string) => batchOf([letter.repeat(50_000)]);
  const elect = () => electAt(cluster, 0, [0], ElectionType.UNCLEAN);
  await cluster.createTopic("t", 1);
  await cluster.elect(0, "t");
  await cluster.catchUpAll();
  for (const letter of ["a", "b", "c"]) await produce(cluster.connection(0), { topic: "t" }, large(letter));
  expect(await elect()).toMatchObject([{ errorCode: ELECTION_NOT_NEEDED }]);
  const { state } = defined(cluster.broker(0).memory.broker.services.journals.opened(journalOf(cluster)));
  const [, lost] = defined([...state.partitions.values()][0]).entries;
  const place = defined(lost).place;
  if (place.kind !== "object") throw new Error("a record of 50,000 bytes is not inlined");
  // An object that has lost its end is as good as none.
  defined(cluster.objects[0]).truncate(place.key, 10);
  defined(cluster.objects[1]).delete(place.key);
  expect(await elect()).toMatchObject([{ errorCode: ELECTION_NOT_NEEDED }]);
  await permitUnclean(cluster);
  // The store may have it: nobody knows.
  defined(cluster.objects[1]).isDown = true;
  const message = "Copies may be at stores that do not answer: 1.";
  expect(await elect()).toMatchObject([{ errorCode: ELIGIBLE_LEADERS_NOT_AVAILABLE, errorMessage: message }]);
  defined(cluster.objects[1]).isDown = false;
  expect(await elect()).toMatchObject([{ errorCode: NONE }]);
  expect(await elect()).toMatchObject([{ errorCode: ELECTION_NOT_NEEDED }]);
  await cluster.catchUpAll();
  expect(await valuesAt(cluster, 1)).toEqual(["0: a", "2: c"]);
});

test("an unclean election gives up a log segment of which no copy is left, and mends an index that is lost alone", async () => {
  await using cluster = await BrokerCluster.start(2);
  const elect = () => electAt(cluster, 0, [0], ElectionType.UNCLEAN);
  await cluster.createTopic("t", 1);
  await cluster.elect(0, "t");
  await cluster.catchUpAll();
  await permitUnclean(cluster);
  const { chores } = cluster.broker(0).memory.broker;
  const run = { isForced: true, signal: new AbortController().signal };
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["a".repeat(50_000)]));
  expect(await chores.work("compactor", run)).toBe(1);
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["b".repeat(50_000)]));
  const files = (suffix: string) =>
    defined(cluster.objects[0])
      .sortedKeys()
      .filter((key) => key.endsWith(suffix));
  const [index] = files(".timeindex");
  const [log] = files(".log");
  for (const each of cluster.objects) each.delete(defined(index));
  expect(await elect()).toMatchObject([{ errorCode: NONE }]);
  expect(await elect()).toMatchObject([{ errorCode: ELECTION_NOT_NEEDED }]);
  expect(files(".timeindex")).toContain(index);
  for (const each of cluster.objects) each.delete(defined(log));
  expect(await elect()).toMatchObject([{ errorCode: NONE }]);
  expect(await elect()).toMatchObject([{ errorCode: ELECTION_NOT_NEEDED }]);
  await cluster.catchUpAll();
  expect(await valuesAt(cluster, 1)).toEqual(["1: b"]);
});

async function permitUnclean(cluster: BrokerCluster): Promise<void> {
  await cluster.connection(0).send(Apis.INCREMENTAL_ALTER_CONFIGS, 1, {
    resources: [
      {
        resourceType: 2,
        resourceName: "t",
        configs: [{ name: "unclean.leader.election.enable", configOperation: 0, value: "true" }],
      },
    ],
    validateOnly: false,
  });
}

function journalOf(cluster: BrokerCluster): number {
  const { placement } = defined(cluster.broker(0).memory.broker.services.cluster.topicByName("t"));
  return placement.baseJournal % placement.journalCount;
}

/** The first letters of what a consumer of that broker reads, with their offsets. */
async function valuesAt(cluster: BrokerCluster, brokerId: number): Promise<readonly string[]> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const { responses } = await cluster.connection(brokerId).send(Apis.FETCH, 12, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1_000_000,
    topics: [{ topic: "t", partitions }],
    forgottenTopicsData: [],
  });
  const { batches } = splitBatches(responses[0]?.partitions[0]?.records ?? new Uint8Array());
  const records = batches.flatMap((batch) => [...readRecords(batch)]);
  return records.map(({ offset, value }) => `${offset}: ${String.fromCharCode(value?.[0] ?? 0)}`);
}
