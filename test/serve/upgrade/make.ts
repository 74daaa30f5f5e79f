import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Apis } from "#lib/protocol/apis.ts";
import { encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { batchOf, createTopic, produce } from "../kafka-calls.ts";
import { ServeProcess } from "../serve-process.ts";
import { describeDataDirectory } from "./describe.ts";
import { packDirectory } from "./packed-directory.ts";

// Writes a data directory of this very version for upgrade.test.ts, which opens it from then on:
//
//     node test/serve/upgrade/make.ts NAME      makes test/serve/upgrade/NAME.json.gz; two minutes, for snapshots
//
// One is made when a version writes something that earlier ones did not. None is ever made anew.

const [name] = process.argv.slice(2);
if (name === undefined || !/^[\w.-]+$/.test(name)) throw new Error("name the directory, such as 2026-11");
const target = join(import.meta.dirname, `${name}.json.gz`);
if (existsSync(target)) throw new Error(`${target} is there already, and stays as it is`);
const dataDir = join(import.meta.dirname, `.${name}`);
rmSync(dataDir, { recursive: true, force: true });
mkdirSync(dataDir);

/** So many that journals get snapshots. */
const REQUESTS = 300;
const SNAPSHOT_WAIT_MS = 75_000;

await using broker = await ServeProcess.start({ dataDir, args: ["--http", "127.0.0.1:0"] });
await using connection = await broker.connect();
await createTopic(connection, "orders", 3);
await createTopic(connection, "large");
await createTopic(connection, "gone");
await produce(connection, { topic: "gone" }, batchOf(["x"]));
await connection.send(Apis.DELETE_TOPICS, 5, { topicNames: ["gone"], timeoutMs: 10_000 });
await connection.send(Apis.INCREMENTAL_ALTER_CONFIGS, 1, {
  resources: [
    {
      resourceType: 2,
      resourceName: "orders",
      configs: [{ name: "retention.ms", configOperation: 0, value: "-1" }],
    },
  ],
  validateOnly: false,
});
for (let n = 0; n < REQUESTS; n++) {
  const numbered = { producer: { producerId: 7, producerEpoch: 0, baseSequence: n } };
  await produce(connection, { topic: "orders", partition: 0 }, batchOf([`order ${n}`], numbered));
  if (n % 50 === 0) await produce(connection, { topic: "orders", partition: 1 }, batchOf(["a", "b", "c"]));
}
for (let n = 0; n < 3; n++) await produce(connection, { topic: "large" }, batchOf([`${n}`.repeat(100_000)]));
await joinClassicGroup();
await joinConsumerGroup();
await makeKey();
await sleep(SNAPSHOT_WAIT_MS);
await produce(connection, { topic: "orders", partition: 2 }, batchOf(["after the snapshots"]));
await broker.stop();
const expected = await describeDataDirectory(dataDir);
writeFileSync(target, gzipSync(JSON.stringify({ expected, files: packDirectory(dataDir) }), { level: 9 }));
rmSync(dataDir, { recursive: true });
process.stdout.write(`${target}\n${JSON.stringify(expected, undefined, 1)}\n`);

async function commit(groupId: string, memberId: string, generationIdOrMemberEpoch: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, committedOffset: 123, committedMetadata: `of ${groupId}` }];
  const request = { groupId, memberId, generationIdOrMemberEpoch, topics: [{ name: "orders", partitions }] };
  await connection.send(Apis.OFFSET_COMMIT, 9, request);
}

async function joinClassicGroup(): Promise<void> {
  const metadata = encodeSubscription({ topics: ["orders"] });
  const { memberId, generationId } = await connection.send(Apis.JOIN_GROUP, 3, {
    groupId: "classic",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata }],
  });
  const assignments = [{ memberId, assignment: Uint8Array.of() }];
  await connection.send(Apis.SYNC_GROUP, 3, { groupId: "classic", generationId, memberId, assignments });
  await commit("classic", memberId, generationId);
}

async function joinConsumerGroup(): Promise<void> {
  const memberId = "upgrade-member";
  const { memberEpoch } = await connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, {
    groupId: "modern",
    memberId,
    memberEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    topicPartitions: [],
    subscribedTopicNames: ["orders"],
  });
  await commit("modern", memberId, memberEpoch);
}

async function makeKey(): Promise<void> {
  const [, address] = / http=(\S+)/.exec(broker.stdout) ?? [];
  const body = JSON.stringify({ name: "kept", rights: [{ operation: "read", pattern: "orders*" }] });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`http://${address}/v1/keys`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(await response.text());
}
