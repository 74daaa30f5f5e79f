import { spawn } from "node:child_process";
import { once } from "node:events";
import { Producer, stringSerializers } from "@platformatic/kafka";
import type { Broker } from "../support/broker.ts";
import { collect, lastLines, sleep } from "../support/processes.ts";
import { type KeyedRecord, slices } from "./cities.ts";

/** In the order of their numbers in a batch's attributes. */
export const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

export interface Assignment {
  readonly broker: Broker;
  readonly topic: string;
  readonly records: readonly KeyedRecord[];
  /** Called with the number of records handed over since the last call. The next ones wait until it resolves. */
  readonly onProgress: (count: number) => Promise<void>;
}

/** Sends all records in order, a fifth in each codec, and resolves when every one is acknowledged. */
export type ProduceAll = (assignment: Assignment) => Promise<void>;

// Records are handed over at a pace that leaves time for a kill between two of them, not as fast as the clients can.
const CHUNK_RECORDS = 500;
const CHUNK_PAUSE_MS = 10;
/** Longer than any restart: what is not acknowledged by then counts as lost, and rightly so. */
const DELIVERY_TIMEOUT_MS = 120_000;

export const produceWithKcat: ProduceAll = async (assignment) => {
  // One process after the other: two at a time would be two producers, between which there is no order.
  for (const [i, slice] of slices(assignment.records, CODECS.length).entries()) {
    await kcatSlice(assignment, slice, CODECS[i] ?? "none");
  }
};

async function kcatSlice(assignment: Assignment, slice: readonly KeyedRecord[], codec: string): Promise<void> {
  const { broker, topic, onProgress } = assignment;
  const properties = {
    "enable.idempotence": "true",
    acks: "all",
    "message.timeout.ms": String(DELIVERY_TIMEOUT_MS),
    "message.send.max.retries": "1000000",
    "retry.backoff.ms": "100",
    "reconnect.backoff.max.ms": "500",
    "linger.ms": "5",
    "batch.num.messages": "500",
  };
  const settings = Object.entries(properties).flatMap(([key, value]) => ["-X", `${key}=${value}`]);
  // -E: a broker that is away is no reason to end.
  const args = ["-b", broker.address, "-P", "-t", topic, "-K", "\t", "-z", codec, "-E", ...settings];
  const child = spawn("kcat", args, { stdio: ["pipe", "pipe", "pipe"] });
  const finished = collect(child, 2 * DELIVERY_TIMEOUT_MS);
  child.stdin.on("error", () => {}); // Told by the exit status.
  try {
    for (let from = 0; from < slice.length && child.exitCode === null; from += CHUNK_RECORDS) {
      const chunk = slice.slice(from, from + CHUNK_RECORDS);
      const text = chunk.map(({ key, value }) => `${key}\t${value}\n`).join("");
      if (!child.stdin.write(text)) await Promise.race([once(child.stdin, "drain"), once(child, "exit")]);
      await onProgress(chunk.length);
      await sleep(CHUNK_PAUSE_MS);
    }
    child.stdin.end();
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  const { code, stderr } = await finished;
  if (code !== 0) throw new Error(`kcat -z ${codec} ended with ${code}: ${lastLines(stderr)}`);
}

export const produceWithPlatformatic: ProduceAll = async ({ broker, topic, records, onProgress }) => {
  const producer = new Producer({
    clientId: "demo",
    bootstrapBrokers: [broker.address],
    serializers: stringSerializers,
    idempotent: true,
    retries: 1_000,
    retryDelay: 200,
  });
  try {
    for (const [i, slice] of slices(records, CODECS.length).entries()) {
      for (let from = 0; from < slice.length; from += CHUNK_RECORDS) {
        const chunk = slice.slice(from, from + CHUNK_RECORDS);
        const messages = chunk.map(({ key, value }) => ({ topic, key, value }));
        await producer.send({ messages, compression: CODECS[i] ?? "none" });
        await onProgress(chunk.length);
        await sleep(CHUNK_PAUSE_MS);
      }
    }
  } finally {
    await producer.close(true);
  }
};
