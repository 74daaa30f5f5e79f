import { cpuSeconds, syncDisks } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import { newTopic } from "./client.ts";
import { CONTESTANTS, type Running, Samples } from "./contestants.ts";
import { alternate, type KafkaContext, type RowGroup, startBrokers } from "./group.ts";
import { producePerformance } from "./producer-performance.ts";
import { GIGABYTE, MEGABYTE, WARM_UP_SHARE } from "./sizes.ts";

interface Shape {
  readonly label: string;
  readonly recordBytes: number;
  readonly partitions: number;
}

/** How fast one producer gets rid of records, and what they cost the broker. */
export function produceGroup(shape: Shape): RowGroup {
  const name = `produce ${shape.label}, ${shape.partitions === 1 ? "1 partition" : `${shape.partitions} partitions`}`;
  const rows = {
    rate: name,
    rateSynced: `${name}, Kafka syncing each append`,
    rateNull: `${name}, null broker`,
    cost: `broker CPU: ${name}`,
    costNull: `broker CPU: ${name}, null broker`,
  };
  return {
    rows: Object.values(rows),
    async measure(context) {
      await using stack = new AsyncDisposableStack();
      const brokers = await startBrokers(CONTESTANTS, context, stack);
      const rates = new Samples();
      const costs = new Samples();
      await alternate(brokers, context, {
        measure: (running) => produceOnce(running, shape, context),
        keep: ({ contestant }, { rate, cost }) => {
          rates.add(contestant.name, rate);
          costs.add(contestant.name, cost);
          context.say(`${name}: ${contestant.name} ${rounded(rate)} MB/s, ${rounded(cost)} CPU s/GB`);
        },
      });
      const rate = { unit: "MB/s", better: "higher", ours: rates.of("ours") } as const;
      const cost = { unit: "CPU s/GB", better: "lower", ours: costs.of("ours") } as const;
      return [
        { name: rows.rate, ...rate, reference: rates.of("kafka") },
        { name: rows.rateSynced, ...rate, reference: rates.of("kafka-synced") },
        { name: rows.rateNull, ...rate, reference: rates.of("null") },
        { name: rows.cost, ...cost, reference: costs.of("kafka") },
        { name: rows.costNull, ...cost, reference: costs.of("null") },
      ];
    },
  };
}

async function produceOnce({ broker }: Running, { recordBytes, partitions }: Shape, { sizes, isSmall }: KafkaContext) {
  const topic = await newTopic(broker, partitions);
  const records = Math.round(sizes.produceBytes / recordBytes);
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  await syncDisks();
  const pid = broker.pid ?? 0;
  const before = cpuSeconds(pid);
  const load = { topic, recordBytes, records, warmUpRecords, throughput: -1, lingerMs: 5, isSmall };
  const { recordsPerSecond } = await producePerformance(broker.address, load);
  const producedBytes = (records + warmUpRecords) * recordBytes;
  return {
    rate: (recordsPerSecond * recordBytes) / MEGABYTE,
    cost: (cpuSeconds(pid) - before) / (producedBytes / GIGABYTE),
  };
}
