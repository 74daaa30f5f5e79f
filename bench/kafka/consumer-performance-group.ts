import { cpuSeconds, syncDisks } from "../support/machine.ts";
import { type Measured, rounded } from "../support/statistics.ts";
import { type ConsumeLoad, consumerPerformance } from "./consumer-performance.ts";
import { KAFKA, OURS, Samples } from "./contestants.ts";
import { type Filled, fillTopic } from "./filled-topic.ts";
import { alternate, type KafkaContext, type RowGroup, startBrokers } from "./group.ts";
import { GIGABYTE, MEGABYTE } from "./sizes.ts";

const PROTOCOLS = ["classic", "consumer"] as const;
/** Nobody else is going to join, so nobody is waited for. */
const CONFIGS = { "group.initial.rebalance.delay.ms": "0" };
type Protocol = ConsumeLoad["protocol"];

const rowOf = (protocol: Protocol): string =>
  `consume by ConsumerPerformance, 6 partitions, group.protocol=${protocol}`;
const costOf = (protocol: Protocol): string => `broker CPU: ${rowOf(protocol)}`;

/** One consumer in Java reads everything from the beginning, each time as a new group. */
export const consumerPerformanceGroup: RowGroup = {
  rows: PROTOCOLS.flatMap((protocol) => [rowOf(protocol), costOf(protocol)]),
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const contestants = [OURS, KAFKA].map((contestant) => ({ ...contestant, configs: CONFIGS }));
    const brokers = await startBrokers(contestants, context, stack);
    const filled: Filled[] = [];
    for (const running of brokers) filled.push(await fillTopic(running, context));
    const measured: Measured[] = [];
    for (const protocol of PROTOCOLS) measured.push(...(await measureProtocol(protocol, filled, context)));
    return measured;
  },
};

async function measureProtocol(
  protocol: Protocol,
  brokers: readonly Filled[],
  context: KafkaContext,
): Promise<readonly Measured[]> {
  const name = rowOf(protocol);
  const rates = new Samples();
  const costs = new Samples();
  await alternate(brokers, context, {
    measure: (filled) => readOnce(filled, protocol, context),
    keep: ({ contestant }, { rate, cost }) => {
      rates.add(contestant.name, rate);
      costs.add(contestant.name, cost);
      context.say(`${name}: ${contestant.name} ${rounded(rate)} MB/s, ${rounded(cost)} CPU s/GB`);
    },
  });
  const rate = { unit: "MB/s", better: "higher", ours: rates.of("ours"), reference: rates.of("kafka") } as const;
  const cost = { unit: "CPU s/GB", better: "lower", ours: costs.of("ours"), reference: costs.of("kafka") } as const;
  return [
    { name, ...rate },
    { name: costOf(protocol), ...cost },
  ];
}

let groupsMade = 0;

async function readOnce({ broker, topic, records }: Filled, protocol: Protocol, { isSmall }: KafkaContext) {
  groupsMade += 1;
  await syncDisks();
  const pid = broker.pid ?? 0;
  const before = cpuSeconds(pid);
  const load = { topic, groupId: `performance-${groupsMade}`, protocol, records, isSmall };
  const { bytes, fetchSeconds } = await consumerPerformance(broker.address, load);
  return { rate: bytes / MEGABYTE / fetchSeconds, cost: (cpuSeconds(pid) - before) / (bytes / GIGABYTE) };
}
