import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { Producer } from "@platformatic/kafka";
import { Broker, type Target } from "../support/broker.ts";
import { KAFKA_VERSION, provideJava } from "../support/java.ts";
import { lastLines, run } from "../support/processes.ts";
import { ROOT } from "../support/provision.ts";
import { type ReadRecord, readTopic } from "../support/reader.ts";
import type { Suite } from "../support/suite.ts";
import { eventually, newTopic } from "../support/topics.ts";

// The same batches go to a compacted topic of Apache Kafka and of Millrace; both clean it, and what is left is compared
// record by record. Timestamps are far enough apart that Kafka begins a segment with each step. The last record of all has
// a key of its own and a segment of its own: Kafka's active one, which it leaves alone.

const STEPS = 6;
const BATCHES_A_STEP = 8;
const RECORDS_A_BATCH = 20;
const KEYS = 90;
const SEGMENT_MS = 60_000;
const STEP_MS = 2 * SEGMENT_MS;
const START_MS = Date.now() - (STEPS + 2) * STEP_MS;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
const LAST_KEY = "last of all";
const CLEANED_MS_MAX = 90_000;

export const cleaningSuite: Suite = {
  name: "cleaning",
  budgetMinutes: 2,
  isNightlyOnly: true,
  what: `the log cleaner of Apache Kafka ${KAFKA_VERSION}: leaves the same records of a compacted topic as ours`,
  async run(facts, { target }) {
    await provideJava();
    const sent = messages();
    let fromKafka: readonly ReadRecord[] = [];
    await facts.check("Apache Kafka leaves the last record of each key", async () => {
      fromKafka = await cleaned("kafka", sent);
      const keys = fromKafka.map(({ key }) => key);
      equal(new Set(keys).size, keys.length);
      equal(keys.length, new Set(sent.flat().map(({ key }) => key)).size);
      ok(
        fromKafka.some(({ value }) => value === null || value === ""),
        "a tombstone",
      );
    });
    if (target === "kafka") return;
    await facts.check("Millrace leaves the same records: offsets, times, keys, values and headers", async () => {
      deepEqual(await cleaned("millrace", sent), fromKafka);
    });
  },
};

interface Message {
  readonly key: string;
  readonly value: string | undefined;
  readonly timestampMs: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** Batch by batch. */
function messages(): readonly (readonly Message[])[] {
  const batches: Message[][] = [];
  for (let batch = 0; batch < STEPS * BATCHES_A_STEP; batch++) {
    const startMs = START_MS + Math.floor(batch / BATCHES_A_STEP) * STEP_MS;
    batches.push(
      Array.from({ length: RECORDS_A_BATCH }, (_, at) => {
        const n = batch * RECORDS_A_BATCH + at;
        return {
          key: `key-${(n * 7_919 + batch * 31) % KEYS}`,
          value: n % 7 === 0 ? undefined : `value ${n} ${"v".repeat(n % 50)}`,
          timestampMs: startMs + ((n * 37) % 1_000),
          headers: new Map(n % 3 === 0 ? [["n", String(n)]] : []),
        };
      }),
    );
  }
  batches.push([{ key: LAST_KEY, value: "", timestampMs: START_MS + STEPS * STEP_MS, headers: new Map() }]);
  return batches;
}

async function cleaned(target: Target, sent: readonly (readonly Message[])[]): Promise<readonly ReadRecord[]> {
  await using broker = await Broker.start(target, { configs: { "log.cleaner.backoff.ms": "300" } });
  const configs = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "segment.ms": String(SEGMENT_MS),
  };
  const topic = await newTopic(broker, "cleaned", { configs });
  await produce(broker, topic, sent);
  if (target === "millrace") {
    const dataDir = join(broker.directory, "data");
    for (const worker of ["compactor", "cleaner"]) {
      const args = [join(ROOT, "bin/millrace.ts"), "run", worker, "--data-dir", dataDir, "--now"];
      const finished = await run(process.execPath, args);
      equal(finished.code, 0, lastLines(finished.stdout + finished.stderr));
    }
  }
  // Kafka cleans when it comes to it, and a broker of ours may be a moment behind what another process has done.
  let left: readonly ReadRecord[] = [];
  const isClean = async () => {
    left = (await readTopic(broker.address, topic)).flat();
    return new Set(left.map(({ key }) => key)).size === left.length;
  };
  await eventually("the log is clean", isClean, CLEANED_MS_MAX);
  return left;
}

async function produce(broker: Broker, topic: string, sent: readonly (readonly Message[])[]): Promise<void> {
  for (const [index, batch] of sent.entries()) {
    const compression = CODECS[index % CODECS.length] ?? "none";
    const producer = new Producer({ clientId: "cleaning", bootstrapBrokers: [broker.address], compression });
    try {
      await producer.send({
        messages: batch.map(({ key, value, timestampMs, headers }) => ({
          topic,
          partition: 0,
          key: Buffer.from(key),
          ...(value === undefined ? {} : { value: Buffer.from(value) }),
          timestamp: BigInt(timestampMs),
          headers: new Map([...headers].map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
        })),
      });
    } finally {
      await producer.close();
    }
  }
}
