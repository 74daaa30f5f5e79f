import { newTopic } from "../kafka/client.ts";
import { producePerformance } from "../kafka/producer-performance.ts";
import { KIBIBYTE, MEGABYTE } from "../kafka/sizes.ts";
import { syncDisks } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import type { SegmentRows, SegmentsContext } from "./context.ts";
import { startOurs } from "./ours.ts";

const PARTITIONS = 6;

const NAME = "produce 1 KiB, 6 partitions, with all workers, against none";
const BEHIND = "not compacted yet at the end, with all workers";

/** What the compactor takes from producers. Each sample has a broker of its own, for the log grows with each. */
export const produceGroup: SegmentRows = {
  rows: [NAME, BEHIND],
  async measure(context) {
    const rates = { all: [] as number[], none: [] as number[] };
    const behind: number[] = [];
    for (let repeat = 0; repeat < context.repeats; repeat++) {
      for (const workers of repeat % 2 === 0 ? (["none", "all"] as const) : (["all", "none"] as const)) {
        const { rate, share } = await produceOnce(workers, context);
        rates[workers].push(rate);
        if (workers === "all") behind.push(share);
        context.say(`produce, workers ${workers}: ${rounded(rate)} MB/s, ${rounded(share)} % not compacted`);
      }
    }
    return [
      { name: NAME, unit: "MB/s", better: "higher", ours: rates.all, reference: rates.none },
      { name: BEHIND, unit: "%", better: "lower", ours: behind, reference: [] },
    ];
  },
};

async function produceOnce(workers: "all" | "none", context: SegmentsContext) {
  const { sizes, isSmall, scratch } = context;
  const { broker, metrics } = await startOurs(workers, context);
  const topic = await newTopic(broker, PARTITIONS);
  const records = Math.round(sizes.produceBytes / KIBIBYTE);
  // Until the first entries are old enough the compactor has nothing to do.
  const warmUpRecords = Math.round(records / 2);
  await syncDisks();
  const load = { topic, recordBytes: KIBIBYTE, throughput: -1, lingerMs: 5, isSmall };
  const sent = { ...load, records: records - warmUpRecords, warmUpRecords };
  const { recordsPerSecond } = await producePerformance(broker.address, sent);
  const compacted = (await metrics()).sum("millrace_segment_bytes_written_total");
  await scratch.clear();
  return {
    rate: (recordsPerSecond * KIBIBYTE) / MEGABYTE,
    share: 100 * Math.max(0, 1 - compacted / sizes.produceBytes),
  };
}
