import { cpuSeconds, dropCaches, syncDisks } from "../support/machine.ts";
import { type Measured, rounded } from "../support/statistics.ts";
import { newTopic } from "./client.ts";
import { KAFKA, OURS, type Running, Samples } from "./contestants.ts";
import { FILLED_PARTITIONS, FILLED_RECORD_BYTES, type Filled, fillTopic } from "./filled-topic.ts";
import { alternate, type KafkaContext, type RowGroup, startBrokers } from "./group.ts";
import { followTopic, readPartitions } from "./kcat.ts";
import { producePerformance } from "./producer-performance.ts";
import { GIGABYTE, MEGABYTE, WARM_UP_SHARE } from "./sizes.ts";

const WARM = "consume warm, 6 partitions";
const COLD = "consume cold, 6 partitions";
const costOf = (row: string): string => `broker CPU: ${row}`;

/** Everything from the beginning to the end, again and again: from a broker that is at work, then from a fresh one. */
export const consumeGroup: RowGroup = {
  rows: [WARM, costOf(WARM), COLD, costOf(COLD)],
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const brokers = await startBrokers([OURS, KAFKA], context, stack);
    const filled: Filled[] = [];
    for (const running of brokers) filled.push(await fillTopic(running, context));
    return [
      ...(await measureReads(WARM, filled, { context, prepare: () => syncDisks() })),
      ...(await measureReads(COLD, filled, { context, prepare: (broker) => chill(broker, context) })),
    ];
  },
};

/** Neither the broker nor the operating system remembers a record. */
async function chill({ broker }: Running, context: KafkaContext): Promise<void> {
  await broker.stop();
  if (!(await dropCaches())) context.say("caches stay: only root may drop them, and cold rows are not cold");
  await broker.restart();
}

async function measureReads(
  name: string,
  brokers: readonly Filled[],
  how: { readonly context: KafkaContext; readonly prepare: (running: Running) => Promise<void> },
): Promise<readonly Measured[]> {
  const rates = new Samples();
  const costs = new Samples();
  await alternate(brokers, how.context, {
    measure: async (filled) => {
      await how.prepare(filled);
      return await readOnce(filled);
    },
    keep: ({ contestant }, { rate, cost }) => {
      rates.add(contestant.name, rate);
      costs.add(contestant.name, cost);
      how.context.say(`${name}: ${contestant.name} ${rounded(rate)} MB/s, ${rounded(cost)} CPU s/GB`);
    },
  });
  const rate = { unit: "MB/s", better: "higher", ours: rates.of("ours"), reference: rates.of("kafka") } as const;
  const cost = { unit: "CPU s/GB", better: "lower", ours: costs.of("ours"), reference: costs.of("kafka") } as const;
  return [
    { name, ...rate },
    { name: costOf(name), ...cost },
  ];
}

async function readOnce({ broker, topic, records }: Filled) {
  const pid = broker.pid ?? 0;
  const before = cpuSeconds(pid);
  const seconds = await readPartitions(broker.address, { topic, partitions: FILLED_PARTITIONS, records });
  const readBytes = records * FILLED_RECORD_BYTES;
  return {
    rate: readBytes / MEGABYTE / seconds,
    cost: (cpuSeconds(pid) - before) / (readBytes / GIGABYTE),
  };
}

const TAIL = "consume tail, 6 partitions";

/** Records are read while they are written: from the first one sent to the last one read. */
export const tailGroup: RowGroup = {
  rows: [TAIL],
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const brokers = await startBrokers([OURS, KAFKA], context, stack);
    const rates = new Samples();
    await alternate(brokers, context, {
      measure: (running) => tailOnce(running, context),
      keep: ({ contestant }, rate) => {
        rates.add(contestant.name, rate);
        context.say(`${TAIL}: ${contestant.name} ${rounded(rate)} MB/s`);
      },
    });
    return [{ name: TAIL, unit: "MB/s", better: "higher", ours: rates.of("ours"), reference: rates.of("kafka") }];
  },
};

async function tailOnce({ broker }: Running, { sizes, isSmall }: KafkaContext): Promise<number> {
  const topic = await newTopic(broker, FILLED_PARTITIONS);
  const records = Math.round(sizes.produceBytes / FILLED_RECORD_BYTES);
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  await syncDisks();
  const following = followTopic(broker.address, topic, records);
  const load = { topic, recordBytes: FILLED_RECORD_BYTES, throughput: -1, lingerMs: 5, isSmall };
  const producing = producePerformance(broker.address, { ...load, records: records - warmUpRecords, warmUpRecords });
  const [{ totalSeconds }, producedAtMs] = await Promise.all([producing, producing.then(() => performance.now())]);
  const lagSeconds = Math.max(0, (await following) - producedAtMs) / 1_000;
  return (records * FILLED_RECORD_BYTES) / MEGABYTE / (totalSeconds + lagSeconds);
}
