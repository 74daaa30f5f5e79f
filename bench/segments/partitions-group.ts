import { assertNoError } from "#lib/client/kafka-error.ts";
import { oneTopic, type TopicMetadata, topicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { assert } from "#lib/util/assert.ts";
import type { Broker } from "../../test/clients/support/broker.ts";
import { RequestStream } from "../groups/request-stream.ts";
import { NEVER, newTopic, openClient } from "../kafka/client.ts";
import { OURS } from "../kafka/contestants.ts";
import { firstAck } from "../kafka/first-ack-group.ts";
import { MEGABYTE } from "../kafka/sizes.ts";
import { residence, syncDisks } from "../support/machine.ts";
import { type Measured, median, rounded } from "../support/statistics.ts";
import { sendBatches, type Target } from "./batch-sender.ts";
import type { SegmentRows, SegmentsContext } from "./context.ts";

const FEW_PARTITIONS = 12;
const TOPICS_PER_REQUEST = 200;
const TIMEOUT_MS = 60_000;

const METADATA_ONE_MS_MAX = 5;
const METADATA_ALL_MS_MAX = 500;
const RESTART_MS_MAX = 2_000;

const CREATE = "many partitions: create all";
const SPREAD = "many partitions: produce, spread over all, against 12 on a broker of their own";
const METADATA_ONE = "many partitions: metadata of one topic";
const METADATA_ALL = "many partitions: metadata of all topics";
const RESTART = "many partitions: kill -9, start, next ack";
const MEMORY = "many partitions: resident memory";
const MEMORY_CREATED = `${MEMORY}, before the first record`;

/** What a broker with very many partitions does more slowly than one with few. */
export const partitionsGroup: SegmentRows = {
  rows: [CREATE, MEMORY_CREATED, METADATA_ONE, METADATA_ALL, SPREAD, RESTART, MEMORY],
  async measure(context) {
    const { scratch, say } = context;
    const [broker, few] = [await scratch.start(OURS), await scratch.start(OURS)];
    const createSeconds = await createTopics(broker, context);
    const createdBytes = residence(broker.pid ?? 0).nowBytes;
    say(`${CREATE}: ${rounded(createSeconds)} s, then ${rounded(createdBytes / MEGABYTE)} MB resident`);
    const one = await metadataMs(broker, [topicName(0)], context.sizes.metadataRequests);
    const all = await metadataMs(broker, null, context.repeats);
    say(`metadata: of one topic ${rounded(median(one))} ms, of all ${rounded(median(all))} ms`);
    const rates = await spreadRates(broker, few, context);
    // Its compactor has gigabytes to work on, and the next rows are not about two brokers on one machine.
    await few.kill9();
    const restarts = await restartMs(broker, context);
    const memory = residence(broker.pid ?? 0).nowBytes / MEGABYTE;
    const lower = { unit: "ms", better: "lower" } as const;
    return [
      { name: CREATE, unit: "s", better: "lower", ours: [createSeconds], reference: [] },
      { name: MEMORY_CREATED, unit: "MB", better: "lower", ours: [createdBytes / MEGABYTE], reference: [] },
      { ...lower, name: METADATA_ONE, ours: one, reference: [METADATA_ONE_MS_MAX] },
      { ...lower, name: METADATA_ALL, ours: all, reference: [METADATA_ALL_MS_MAX] },
      { name: SPREAD, unit: "MB/s", better: "higher", ours: rates.many, reference: rates.few },
      { ...lower, name: RESTART, ours: restarts, reference: [RESTART_MS_MAX] },
      { name: MEMORY, unit: "MB", better: "lower", ours: [memory], reference: [] },
    ] satisfies readonly Measured[];
  },
};

const topicName = (at: number): string => `many-${String(at).padStart(6, "0")}`;

async function createTopics(broker: Broker, { sizes }: SegmentsContext): Promise<number> {
  const count = Math.ceil(sizes.partitions / sizes.partitionsPerTopic);
  await using client = openClient(broker);
  const beganMs = performance.now();
  for (let from = 0; from < count; from += TOPICS_PER_REQUEST) {
    const length = Math.min(TOPICS_PER_REQUEST, count - from);
    const topics = Array.from({ length }, (_, at) => ({
      name: topicName(from + at),
      numPartitions: sizes.partitionsPerTopic,
      replicationFactor: 1,
    }));
    const answer = await client.send(Apis.CREATE_TOPICS, { topics }, { signal: NEVER });
    for (const { errorCode, name, errorMessage } of answer.topics) assertNoError(errorCode, name, errorMessage);
  }
  return (performance.now() - beganMs) / 1_000;
}

/** From the request to the last byte of the answer, one after another, each a sample. */
async function metadataMs(broker: Broker, names: readonly string[] | null, count: number): Promise<readonly number[]> {
  const api = Apis.METADATA;
  const apiVersion = 12;
  const topics = names === null ? null : names.map((name) => ({ name }));
  const header = { apiVersion, correlationId: 1, clientId: "bench" };
  await using stream = await RequestStream.open({
    address: broker,
    request: Buffer.concat(encodeRequestFrame(api, header, { topics, allowAutoTopicCreation: false })),
    check: (answer) => {
      for (const { errorCode, name } of decodeResponseFrame(api, apiVersion, answer).topics) {
        assertNoError(errorCode, name ?? "a topic");
      }
    },
  });
  const samples: number[] = [];
  // The first one is the compiler's, and is looked into.
  for (let at = 0; at <= count; at++) {
    const beganMs = performance.now();
    // The time is over by the first answer, so there is no second.
    await stream.run(1, beganMs);
    if (at > 0) samples.push(performance.now() - beganMs);
  }
  return samples;
}

async function spreadRates(broker: Broker, few: Broker, { sizes, repeats, isSmall, say }: SegmentsContext) {
  const topics = await allTopics(broker);
  const sides = [
    { name: "many", broker, targets: spread(topics, sizes.partitions), rates: [] as number[] },
    { name: "few", broker: few, targets: spread([await fewTopic(few)], FEW_PARTITIONS), rates: [] as number[] },
  ] as const;
  for (let repeat = isSmall ? 0 : -1; repeat < repeats; repeat++) {
    for (const side of repeat % 2 === 0 ? sides : [...sides].reverse()) {
      await syncDisks();
      const rate = await sendBatches(side.broker, side.targets, sizes.produceSeconds);
      say(`produce to ${side.targets.length} partitions: ${rounded(rate)} MB/s${repeat < 0 ? ", warming up" : ""}`);
      if (repeat >= 0) side.rates.push(rate);
    }
  }
  return { many: sides[0].rates, few: sides[1].rates };
}

async function allTopics(broker: Broker): Promise<readonly TopicMetadata[]> {
  await using client = openClient(broker);
  return await topicMetadata(client, null, NEVER);
}

async function fewTopic(broker: Broker): Promise<TopicMetadata> {
  const name = await newTopic(broker, FEW_PARTITIONS);
  await using client = openClient(broker);
  return await oneTopic(client, name, { signal: NEVER, timeoutMs: TIMEOUT_MS });
}

/** All partitions in an order in which neighbours belong to different topics, where there are several. */
function spread(topics: readonly TopicMetadata[], count: number): readonly Target[] {
  const depth = Math.max(...topics.map(({ partitions }) => partitions.length));
  const targets = Array.from({ length: depth }, (_, index) =>
    topics.filter(({ partitions }) => index < partitions.length).map((topic): Target => ({ topic, index })),
  ).flat();
  // The last topic may have brought a few more.
  assert(targets.length >= count, `${targets.length} partitions of ${count}`);
  return targets;
}

async function restartMs(broker: Broker, { repeats, say }: SegmentsContext): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    await broker.kill9();
    const beganMs = performance.now();
    // It acknowledges as soon as it listens, or later, when the journals are read.
    const acknowledged = firstAck(broker.port, beganMs + TIMEOUT_MS).then(() => performance.now());
    const [ackedMs] = await Promise.all([acknowledged, broker.restart()]);
    samples.push(ackedMs - beganMs);
    say(`${RESTART}: ${rounded(ackedMs - beganMs)} ms`);
  }
  return samples;
}
