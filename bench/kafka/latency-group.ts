import { syncDisks } from "../support/machine.ts";
import { newTopic } from "./client.ts";
import { KAFKA, KAFKA_SYNCED, OURS, type Running, Samples } from "./contestants.ts";
import { alternate, type KafkaContext, type RowGroup, startBrokers } from "./group.ts";
import { producePerformance } from "./producer-performance.ts";
import { KIBIBYTE, MEGABYTE, WARM_UP_SHARE } from "./sizes.ts";

const RECORDS_PER_SECOND = Math.round((5 * MEGABYTE) / KIBIBYTE);

const rowName = (percentile: string, isSynced: boolean): string =>
  `ack latency at 5 MB/s, ${percentile}${isSynced ? ", Kafka syncing each append" : ""}`;

/** From send to acknowledgement at a rate that neither broker finds hard. Whole milliseconds: the tool has no finer ones. */
export const latencyGroup: RowGroup = {
  rows: [rowName("p50", false), rowName("p99", false), rowName("p50", true), rowName("p99", true)],
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const brokers = await startBrokers([OURS, KAFKA, KAFKA_SYNCED], context, stack);
    const p50 = new Samples();
    const p99 = new Samples();
    await alternate(brokers, context, {
      measure: (running) => sendOnce(running, context),
      keep: ({ contestant }, { p50Ms, p99Ms }) => {
        p50.add(contestant.name, p50Ms);
        p99.add(contestant.name, p99Ms);
        context.say(`ack latency at 5 MB/s: ${contestant.name} p50 ${p50Ms} ms, p99 ${p99Ms} ms`);
      },
    });
    const rows = (isSynced: boolean) =>
      [{ percentile: "p50", samples: p50 } as const, { percentile: "p99", samples: p99 } as const].map(
        ({ percentile, samples }) => ({
          name: rowName(percentile, isSynced),
          unit: "ms",
          better: "lower" as const,
          ours: samples.of("ours"),
          reference: samples.of(isSynced ? "kafka-synced" : "kafka"),
        }),
      );
    return [...rows(false), ...rows(true)];
  },
};

async function sendOnce({ broker }: Running, { sizes, isSmall }: KafkaContext) {
  const topic = await newTopic(broker, 1);
  const records = RECORDS_PER_SECOND * sizes.latencySeconds;
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  await syncDisks();
  const load = { topic, recordBytes: KIBIBYTE, records, warmUpRecords, lingerMs: 0, isSmall };
  return await producePerformance(broker.address, { ...load, throughput: RECORDS_PER_SECOND });
}
