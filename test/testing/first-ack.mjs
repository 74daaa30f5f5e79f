// Runs in a process of its own: `node first-ack.mjs MODULE`, where MODULE has the TestBroker. Prints as JSON how long the
// first acknowledged record took and what Node warned of, and ends by running out of things to do. Plain JavaScript that
// Node 20 can read.
import { Kafka, logLevel } from "kafkajs";

const warnings = [];
process.on("warning", (warning) => {
  // kafkajs sets timers in the past.
  if (warning.name !== "TimeoutNegativeWarning") warnings.push(String(warning));
});

const importedAtMs = performance.now();
const { TestBroker } = await import(process.argv[2] ?? "millrace/testing");
const startedAtMs = performance.now();
const broker = await TestBroker.start();
const readyAtMs = performance.now();

const kafka = new Kafka({ brokers: [broker.bootstrapServers], logLevel: logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();
// To wait for leaders is a pause of 100 ms in kafkajs, whatever the broker answers.
await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 24 }], waitForLeaders: false });
const producer = kafka.producer();
await producer.connect();
const [first] = await producer.send({ topic: "orders", messages: [{ value: "book", partition: 0 }] });
const ackedAtMs = performance.now();

// Every partition at once: what a broker does in parallel must not look like a leak.
const values = Array.from({ length: 24 * 10 }, (_, i) => ({ value: `book ${i}`, partition: i % 24 }));
await Promise.all(values.map((message) => producer.send({ topic: "orders", messages: [message] })));
const offsets = await admin.fetchTopicOffsets("orders");
await producer.disconnect();
await admin.disconnect();
await broker.stop();

process.stdout.write(
  JSON.stringify({
    node: process.version,
    errorCode: first.errorCode,
    records: offsets.reduce((sum, { high }) => sum + Number(high), 0),
    importMs: Math.round(startedAtMs - importedAtMs),
    startMs: Math.round(readyAtMs - startedAtMs),
    firstAckMs: Math.round(ackedAtMs - importedAtMs),
    warnings,
  }),
);
