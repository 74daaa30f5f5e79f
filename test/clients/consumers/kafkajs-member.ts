import { writeSync } from "node:fs";
import kafkajs, { type Assigner, type KafkaMessage } from "kafkajs";
import { nowMs } from "./history.ts";

// A consumer's process: `kafkajs-member.ts BROKER TOPIC GROUP PARTITIONS SESSION_MS`. Prints a line for each batch,
// `d TIME PARTITION FIRST LAST WHOLE`, and for each change of what it owns, `o TIME PARTITION,PARTITION…`.

const { Kafka, AssignerProtocol, logLevel } = kafkajs;
const [broker = "", topic = "", groupId = "", partitionText, sessionText] = process.argv.slice(2);
const partitionCount = Number(partitionText);
const sessionTimeout = Number(sessionText);

// Written at once: a line that waits in this process would die with it.
const print = (kind: string, ...rest: readonly (string | number)[]): void => {
  writeSync(1, `${[kind, nowMs(), ...rest].join(" ")}\n`);
};

/** The range assignor under the name that librdkafka knows, for members of both clients in one group. */
const range = (): Assigner => ({
  name: "range",
  version: 0,
  async assign({ members }) {
    const ids = members.map(({ memberId }) => memberId).toSorted();
    let next = 0;
    return ids.map((memberId, i) => {
      const count = Math.floor(partitionCount / ids.length) + (i < partitionCount % ids.length ? 1 : 0);
      const partitions = Array.from({ length: count }, (_, j) => next + j);
      next += count;
      const assignment = partitions.length === 0 ? {} : { [topic]: partitions };
      const userData = Buffer.alloc(0);
      return {
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData }),
      };
    });
  },
  protocol: ({ topics }) => ({
    name: "range",
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
  }),
});

const consumer = new Kafka({ clientId: "member", brokers: [broker], logLevel: logLevel.NOTHING }).consumer({
  groupId,
  partitionAssigners: [range],
  sessionTimeout,
  rebalanceTimeout: sessionTimeout,
  heartbeatInterval: 500,
  maxWaitTimeInMs: 200,
  retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 },
});
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => print("o", (payload.memberAssignment[topic] ?? []).join(",")));
consumer.on(consumer.events.REBALANCING, () => print("o", ""));
consumer.on(consumer.events.CRASH, ({ payload }) => print("crash", String(payload.error)));

const isWhole = (partition: number, { offset, value }: KafkaMessage): boolean =>
  value?.toString() === String(Number(offset) * partitionCount + partition);

process.once("SIGTERM", async () => {
  await consumer.disconnect();
  process.exit(0);
});
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  autoCommitInterval: 250,
  eachBatch: async ({ batch: { partition, messages }, isStale, isRunning }) => {
    const [first, last] = [messages[0], messages.at(-1)];
    if (first === undefined || last === undefined || isStale() || !isRunning()) return;
    const whole = messages.every((message) => isWhole(partition, message));
    print("d", partition, first.offset, last.offset, whole ? 1 : 0);
  },
});
