import { defined } from "#lib/util/assert.ts";
import { type Residence, residence, syncDisks } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import { newTopic } from "./client.ts";
import { type Contestant, KAFKA, OURS, Samples } from "./contestants.ts";
import { type KafkaContext, type RowGroup, startBrokers } from "./group.ts";
import { producePerformance } from "./producer-performance.ts";
import { KIBIBYTE, MEGABYTE, WARM_UP_SHARE } from "./sizes.ts";

const NOW = "resident memory after 5 GB";
const PEAK = `${NOW}, peak`;

/** What the broker's process holds after a good deal of work; measured once, for it hardly varies. */
export const memoryGroup: RowGroup = {
  rows: [NOW, PEAK],
  async measure(context) {
    const now = new Samples();
    const peak = new Samples();
    for (const contestant of [OURS, KAFKA]) {
      const { nowBytes, peakBytes } = await fillOne(contestant, context);
      now.add(contestant.name, nowBytes / MEGABYTE);
      peak.add(contestant.name, peakBytes / MEGABYTE);
      context.say(`${NOW}: ${contestant.name} ${rounded(nowBytes / MEGABYTE)} MB`);
    }
    const row = { unit: "MB", better: "lower" } as const;
    return [
      { ...row, name: NOW, ours: now.of("ours"), reference: now.of("kafka") },
      { ...row, name: PEAK, ours: peak.of("ours"), reference: peak.of("kafka") },
    ];
  },
};

async function fillOne(contestant: Contestant, context: KafkaContext): Promise<Residence> {
  const { sizes, isSmall } = context;
  await using stack = new AsyncDisposableStack();
  const [running] = await startBrokers([contestant], context, stack);
  const { broker } = defined(running);
  const topic = await newTopic(broker, 6);
  await syncDisks();
  const records = Math.round(sizes.memoryBytes / KIBIBYTE);
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  const load = { topic, recordBytes: KIBIBYTE, throughput: -1, lingerMs: 5, isSmall };
  await producePerformance(broker.address, { ...load, records: records - warmUpRecords, warmUpRecords });
  return residence(broker.pid ?? 0);
}
