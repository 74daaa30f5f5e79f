import { setTimeout as sleep } from "node:timers/promises";
import { Producer, stringSerializers } from "@platformatic/kafka";

// The producer's process: `load.ts BROKER TOPIC PARTITIONS DURATION_MS`. Sends numbered records in turn to all
// partitions, so that record n is at offset floor(n / partitions) of partition n mod partitions, and prints how many
// were acknowledged.

const [broker = "", topic = "", partitionText, durationText] = process.argv.slice(2);
const partitions = Number(partitionText);
const endMs = performance.now() + Number(durationText);
/** 3,000 records a second. */
const ROUNDS_AT_ONCE = 20;
const SPACING_MS = 80;

const producer = new Producer({
  clientId: "load",
  bootstrapBrokers: [broker],
  serializers: stringSerializers,
  idempotent: true,
  retries: 100,
  retryDelay: 200,
});
let sent = 0;
let dueMs = performance.now();
while (performance.now() < endMs) {
  const from = sent;
  const messages = Array.from({ length: ROUNDS_AT_ONCE * partitions }, (_, i) => ({
    topic,
    partition: (from + i) % partitions,
    key: "",
    value: String(from + i),
  }));
  await producer.send({ messages });
  sent += messages.length;
  dueMs += SPACING_MS;
  await sleep(Math.max(0, dueMs - performance.now()));
}
await producer.close(true);
process.stdout.write(`${sent}\n`);
