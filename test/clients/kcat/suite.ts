import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Broker } from "../support/broker.ts";
import { sleep } from "../support/processes.ts";
import { provideKcat } from "../support/provision.ts";
import type { Facts, Suite } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { consumePartition, kcat, kcatOutput, linesOf } from "./kcat.ts";

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];

export const kcatSuite: Suite = {
  name: "kcat",
  budgetMinutes: 2,
  what: "librdkafka by way of kcat: metadata, produce, consume, offsets, groups, limits",
  async run(facts, { target }) {
    await provideKcat();
    await using broker = await Broker.start(target);
    await checkMetadata(facts, broker);
    await checkRecords(facts, broker);
    await checkOffsets(facts, broker);
    await checkSizes(facts, broker);
    await checkAcks(facts, broker);
    await checkGroups(facts, broker);
  },
};

async function checkMetadata(facts: Facts, broker: Broker): Promise<void> {
  await facts.check("-L names the one broker by its advertised address, and it is the controller", async () => {
    const metadata = JSON.parse(await kcatOutput(broker.address, ["-L", "-J"]));
    deepEqual(
      metadata.brokers.map((one: { name: string }) => one.name),
      [broker.address],
    );
    equal(metadata.controllerid, metadata.brokers[0].id);
  });
  await facts.check("-L shows every partition of a topic with leader, replicas and in-sync replicas", async () => {
    const topic = await newTopic(broker, "kcat-metadata", { partitions: 6 });
    const metadata = JSON.parse(await kcatOutput(broker.address, ["-L", "-J", "-t", topic]));
    const id = metadata.brokers[0].id;
    const partitions = [0, 1, 2, 3, 4, 5].map((partition) => ({
      partition,
      leader: id,
      replicas: [{ id }],
      isrs: [{ id }],
    }));
    deepEqual(metadata.topics, [{ topic, partitions }]);
  });
  await facts.check("producing to a topic that is not there creates it", async () => {
    await kcatOutput(broker.address, ["-P", "-t", "kcat-auto-created"], { input: "one\n" });
    deepEqual(await consumePartition(broker.address, { topic: "kcat-auto-created", partition: 0 }), ["one"]);
  });
}

async function checkRecords(facts: Facts, broker: Broker): Promise<void> {
  for (const codec of CODECS) {
    await facts.check(
      `1,000 records in ${codec} come back from their partition in order with dense offsets`,
      async () => {
        const topic = await newTopic(broker, `kcat-${codec}`, { partitions: 3 });
        const lines = Array.from({ length: 1_000 }, (_, i) => `key-${i}|a value that repeats itself ${i}`);
        const input = lines.join("\n");
        await kcatOutput(broker.address, ["-P", "-t", topic, "-p", "2", "-K", "|", "-z", codec], { input });
        const seen = await consumePartition(broker.address, { topic, partition: 2 }, "%o %k|%s\n");
        deepEqual(
          seen,
          lines.map((line, i) => `${i} ${line}`),
        );
        deepEqual(await consumePartition(broker.address, { topic, partition: 0 }), []);
      },
    );
  }
  await facts.check("keys, headers, empty values and tombstones come back as they were", async () => {
    const topic = await newTopic(broker, "kcat-shapes");
    const produce = ["-P", "-t", topic, "-K", "|"];
    await kcatOutput(broker.address, [...produce, "-H", "a=1", "-H", "a=2", "-H", "leer="], { input: "k|value\n" });
    await kcatOutput(broker.address, [...produce, "-Z"], { input: "k|\n" });
    await kcatOutput(broker.address, produce, { input: "k|\n" });
    const args = ["-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-J"];
    const records = linesOf(await kcatOutput(broker.address, args)).map((line) => JSON.parse(line));
    deepEqual(records[0].headers, ["a", "1", "a", "2", "leer", ""]);
    deepEqual(
      records.map((record) => [record.offset, record.key, record.payload]),
      [
        [0, "k", "value"],
        [1, "k", null],
        [2, "k", ""],
      ],
    );
  });
  await facts.check("a consumer that waits at the end gets a new record at once", async () => {
    const topic = await newTopic(broker, "kcat-tail");
    await kcatOutput(broker.address, ["-P", "-t", topic], { input: "old\n" });
    // One fetch may wait half a minute; only being woken by the write can answer in time.
    const wait = ["-X", "fetch.wait.max.ms=30000", "-X", "socket.timeout.ms=60000", "-X", "fetch.min.bytes=1"];
    const reading = kcatOutput(broker.address, ["-C", "-t", topic, "-p", "0", "-o", "end", "-c", "1", "-q", ...wait]);
    await sleep(1_500);
    const producedAtMs = performance.now();
    await kcatOutput(broker.address, ["-P", "-t", topic], { input: "new\n" });
    equal(await reading, "new\n");
    ok(performance.now() - producedAtMs < 5_000, "the fetch was not woken");
  });
}

async function checkOffsets(facts: Facts, broker: Broker): Promise<void> {
  const topic = await newTopic(broker, "kcat-offsets", { partitions: 2 });
  const produce = ["-P", "-t", topic, "-p", "1"];
  await facts.check("an empty topic ends at once, and its earliest and latest offset are 0", async () => {
    deepEqual(await consumePartition(broker.address, { topic, partition: 0 }), []);
    const query = ["-Q", "-t", `${topic}:0:-2`, "-t", `${topic}:1:-1`];
    deepEqual(linesOf(await kcatOutput(broker.address, query)).toSorted(), [
      `${topic} [0] offset 0`,
      `${topic} [1] offset 0`,
    ]);
  });
  let betweenMs = 0;
  await facts.check("-Q answers the first offset at or after a time, and the end for a later one", async () => {
    await kcatOutput(broker.address, produce, { input: "a\nb\nc\n" });
    await sleep(60);
    betweenMs = Date.now();
    await sleep(60);
    await kcatOutput(broker.address, produce, { input: "d\ne\n" });
    const offsetAt = async (time: number): Promise<string> =>
      (await kcatOutput(broker.address, ["-Q", "-t", `${topic}:1:${time}`])).trim();
    equal(await offsetAt(betweenMs), `${topic} [1] offset 3`);
    equal(await offsetAt(1), `${topic} [1] offset 0`);
    equal(await offsetAt(-2), `${topic} [1] offset 0`);
    equal(await offsetAt(-1), `${topic} [1] offset 5`);
    equal(await offsetAt(betweenMs + 3_600_000), `${topic} [1] offset -1`);
  });
  await facts.check("-o starts at a time, at an offset, and counted from the end", async () => {
    const from = (offset: string): Promise<readonly string[]> =>
      consumePartition(broker.address, { topic, partition: 1, offset });
    deepEqual(await from(`s@${betweenMs}`), ["d", "e"]);
    deepEqual(await from("2"), ["c", "d", "e"]);
    deepEqual(await from("-1"), ["e"]);
    deepEqual(await from("end"), []);
    deepEqual(await from("5"), []);
  });
  await facts.check("-o s@ with e@ reads what lies between two times", async () => {
    const range = ["-o", "s@1", "-o", `e@${betweenMs}`];
    equal(await kcatOutput(broker.address, ["-C", "-t", topic, "-p", "1", "-q", ...range]), "a\nb\nc\n");
  });
  await facts.check("an offset past the end is out of range", async () => {
    const reset = ["-X", "topic.auto.offset.reset=error"];
    const read = await kcat(broker.address, ["-C", "-t", topic, "-p", "1", "-o", "99", "-e", "-q", ...reset]);
    notEqual(read.code, 0);
    match(read.stderr, /[Oo]ffset.*out of range/);
  });
}

/**
 * A batch of one record without key or headers has 61 bytes of header, then the record: its length (3 bytes here),
 * attributes, two deltas and the null key (1 each), the value's length (3), the value, the header count (1).
 */
const BATCH_OVERHEAD_BYTES = 61 + 3 + 4 + 3 + 1;
/** Kafka's default of max.message.bytes. */
const MAX_MESSAGE_BYTES = 1_048_588;

async function checkSizes(facts: Facts, broker: Broker): Promise<void> {
  const topic = await newTopic(broker, "kcat-large");
  const directory = mkdtempSync(join(tmpdir(), "millrace-kcat-"));
  const produceValue = async (bytes: number): Promise<{ code: number; stderr: string }> => {
    const file = join(directory, `value-${bytes}`);
    writeFileSync(file, Buffer.alloc(bytes, "x"));
    // librdkafka has a limit of its own, which counts differently: out of the way with it.
    return await kcat(broker.address, ["-P", "-t", topic, "-p", "0", "-X", "message.max.bytes=3000000", file]);
  };
  try {
    await facts.check("a batch of exactly max.message.bytes is taken and comes back whole", async () => {
      const bytes = MAX_MESSAGE_BYTES - BATCH_OVERHEAD_BYTES;
      const produced = await produceValue(bytes);
      equal(produced.code, 0, produced.stderr);
      deepEqual(await consumePartition(broker.address, { topic, partition: 0 }, "%o %S\n"), [`0 ${bytes}`]);
    });
    await facts.check("one byte more is refused with MESSAGE_TOO_LARGE and leaves nothing behind", async () => {
      const produced = await produceValue(MAX_MESSAGE_BYTES - BATCH_OVERHEAD_BYTES + 1);
      notEqual(produced.code, 0);
      match(produced.stderr, /Message size too large/);
      equal((await consumePartition(broker.address, { topic, partition: 0 }, "%o\n")).length, 1);
    });
    await facts.check("a topic's own max.message.bytes rules over the broker's", async () => {
      const small = await newTopic(broker, "kcat-small", { configs: { "max.message.bytes": "1000" } });
      const produced = await kcat(broker.address, ["-P", "-t", small, "-p", "0"], { input: "y".repeat(1_001) });
      match(produced.stderr, /Message size too large/);
      await kcatOutput(broker.address, ["-P", "-t", small, "-p", "0"], { input: "y".repeat(900) });
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function checkAcks(facts: Facts, broker: Broker): Promise<void> {
  const lines = Array.from({ length: 500 }, (_, i) => `record ${i}`);
  for (const acks of ["0", "1", "-1"]) {
    await facts.check(`acks=${acks}: 500 records arrive in order`, async () => {
      const topic = await newTopic(broker, `kcat-acks${acks}`);
      // Many requests, the last of them just before the client hangs up.
      const settings = ["-X", `acks=${acks}`, "-X", "batch.num.messages=10", "-X", "max.in.flight=1"];
      await kcatOutput(broker.address, ["-P", "-t", topic, ...settings], { input: lines.join("\n") });
      await sleep(acks === "0" ? 1_000 : 0);
      deepEqual(await consumePartition(broker.address, { topic, partition: 0 }), lines);
    });
  }
  await facts.check("an idempotent producer with many small batches in flight keeps order and count", async () => {
    const topic = await newTopic(broker, "kcat-idempotent", { partitions: 2 });
    const many = Array.from({ length: 5_000 }, (_, i) => `record ${i}`);
    const small = ["-X", "enable.idempotence=true", "-X", "batch.num.messages=20", "-X", "linger.ms=0"];
    await kcatOutput(broker.address, ["-P", "-t", topic, "-p", "1", ...small], { input: many.join("\n") });
    deepEqual(await consumePartition(broker.address, { topic, partition: 1 }), many);
  });
}

async function checkGroups(facts: Facts, broker: Broker): Promise<void> {
  const topic = await newTopic(broker, "kcat-groups", { partitions: 4 });
  const produce = (lines: readonly string[]): Promise<string> =>
    kcatOutput(broker.address, ["-P", "-t", topic], { input: lines.join("\n") });
  const read = (...args: readonly string[]): Promise<string> =>
    kcatOutput(broker.address, ["-G", "kcat-readers", "-q", "-X", "auto.offset.reset=earliest", ...args, topic]);
  await facts.check("-G reads every partition as a group, and goes on where the group has come to", async () => {
    const lines = Array.from({ length: 100 }, (_, i) => `record ${i}`);
    await produce(lines);
    deepEqual(linesOf(await read("-c", "100")).toSorted(), lines.toSorted());
    await produce(["later 1", "later 2"]);
    deepEqual(linesOf(await read("-c", "2")).toSorted(), ["later 1", "later 2"]);
  });
  await facts.check("two members share the partitions, by the cooperative protocol too", async () => {
    for (const strategy of ["range", "cooperative-sticky"]) {
      const lines = Array.from({ length: 400 }, (_, i) => `${strategy} ${i}`);
      const members = [0, 1].map(() => read("-c", "200", "-X", `partition.assignment.strategy=${strategy}`));
      await sleep(8_000);
      await Promise.all([0, 1, 2, 3].map((partition) => produceTo(broker, topic, partition, lines)));
      const seen = (await Promise.all(members)).flatMap(linesOf);
      equal(new Set(seen).size, 400);
      // Whatever is left of the round is not the next one's.
      await kcatOutput(broker.address, ["-G", "kcat-readers", "-q", "-e", topic]);
    }
  });
}

/** Every fourth line to each of four partitions. */
function produceTo(broker: Broker, topic: string, partition: number, lines: readonly string[]): Promise<string> {
  const input = lines.filter((_, i) => i % 4 === partition).join("\n");
  return kcatOutput(broker.address, ["-P", "-t", topic, "-p", String(partition)], { input });
}
