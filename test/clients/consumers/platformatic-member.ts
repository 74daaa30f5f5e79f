import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Consumer, type RecordsBatch } from "@platformatic/kafka";
import { nowMs } from "./history.ts";

// A consumer's process by KIP-848: `platformatic-member.ts BROKER TOPIC GROUP PARTITIONS`. Prints what kafkajs-member.ts
// prints. The client's streams deliver on from partitions that are revoked already, so records are fetched here by hand:
// a partition begins at its committed offset, and what comes when it is gone is dropped.

const [broker = "", topic = "", groupId = "", partitionText] = process.argv.slice(2);
const partitionCount = Number(partitionText);
const COMMIT_MS = 250;
/** An assignment is looked at this often, and before each delivery. */
const LOOK_MS = 10;

// Written at once: a line that waits in this process would die with it.
const print = (kind: string, ...rest: readonly (string | number)[]): void => {
  writeSync(1, `${[kind, nowMs(), ...rest].join(" ")}\n`);
};

const consumer = new Consumer({
  clientId: "member",
  bootstrapBrokers: [broker],
  groupId,
  groupProtocol: "consumer",
  autocommit: false,
  retries: 20,
  retryDelay: 100,
});
let owned: readonly number[] = [];
/** Owned, but nobody has asked yet where the group has come to. */
const gained = new Set<number>();
/** The next offset of each partition. */
const positions = new Map<number, number>();
const uncommitted = new Map<number, number>();
let isLeaving = false;

/** Takes over what the client has been assigned meanwhile. */
function look(): void {
  const assigned = (consumer.assignments ?? []).flatMap((each) => (each.topic === topic ? each.partitions : []));
  const lost = owned.filter((partition) => !assigned.includes(partition));
  const fresh = assigned.filter((partition) => !owned.includes(partition));
  if (lost.length === 0 && fresh.length === 0) return;
  owned = [...assigned];
  for (const partition of lost) for (const each of [gained, positions, uncommitted]) each.delete(partition);
  for (const partition of fresh) gained.add(partition);
  print("o", owned.join(","));
}

async function place(): Promise<void> {
  const partitions = [...gained];
  if (partitions.length === 0) return;
  gained.clear();
  try {
    const committed = await consumer.listCommittedOffsets({ topics: [{ topic, partitions }] });
    for (const partition of partitions) {
      const offset = Number(committed.get(topic)?.[partition] ?? -1n);
      if (owned.includes(partition)) positions.set(partition, Math.max(0, offset));
    }
  } catch {
    for (const partition of partitions) if (owned.includes(partition)) gained.add(partition);
  }
}

function deliver(partition: number, batches: readonly RecordsBatch[]): void {
  look();
  for (const batch of batches) {
    const position = positions.get(partition);
    if (position === undefined) return;
    const offsetOf = (delta: number): number => Number(batch.firstOffset) + delta;
    const records = batch.records.filter(({ offsetDelta }) => offsetOf(offsetDelta) >= position);
    const [first, last] = [records[0], records.at(-1)];
    if (first === undefined || last === undefined) continue;
    const whole = records.every(
      ({ offsetDelta, value }) => value?.toString() === String(offsetOf(offsetDelta) * partitionCount + partition),
    );
    print("d", partition, offsetOf(first.offsetDelta), offsetOf(last.offsetDelta), whole ? 1 : 0);
    positions.set(partition, offsetOf(last.offsetDelta) + 1);
    uncommitted.set(partition, offsetOf(last.offsetDelta) + 1);
  }
}

async function commit(): Promise<void> {
  look();
  const due = [...uncommitted];
  if (due.length === 0) return;
  const offsets = due.map(([partition, offset]) => ({ topic, partition, offset: BigInt(offset), leaderEpoch: -1 }));
  try {
    await consumer.commit({ offsets });
    for (const [partition, offset] of due) if (uncommitted.get(partition) === offset) uncommitted.delete(partition);
  } catch {
    // At another epoch by now, or on its way to another broker: the next commit holds all of this.
  }
}

/** Partitions on one broker, which is all that there are here. */
async function fetchRecords(node: number, topicId: string): Promise<void> {
  const partitions = [...positions].map(([partition, offset]) => ({
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1_048_576,
  }));
  if (partitions.length === 0) {
    await sleep(LOOK_MS);
    return;
  }
  const topics = [{ topicId, partitions }];
  const response = await consumer.fetch({ node, topics, maxWaitTime: 200, minBytes: 1, maxBytes: 8_388_608 });
  for (const answer of response.responses.flatMap((each) => each.partitions)) {
    deliver(answer.partitionIndex, answer.records ?? []);
  }
}

process.once("SIGTERM", () => {
  isLeaving = true;
});
// The client joins by opening a stream, which nobody reads here; after a change it would begin to flow by itself.
const stream = await consumer.consume({ topics: [topic], mode: "committed", fallbackMode: "earliest" });
stream.on("resume", () => stream.pause());
const about = (await consumer.metadata({ topics: [topic] })).topics.get(topic);
setInterval(look, LOOK_MS);
let committedAtMs = nowMs();
while (!isLeaving) {
  await place();
  await fetchRecords(about?.partitions[0]?.leader ?? 0, about?.id ?? "").catch(() => sleep(100));
  if (nowMs() < committedAtMs + COMMIT_MS) continue;
  await commit();
  committedAtMs = nowMs();
}
await commit();
await consumer.close(true);
process.exit(0);
