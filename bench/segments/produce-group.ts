import { newTopic } from "../kafka/client.ts";
import { producePerformance } from "../kafka/producer-performance.ts";
import { KIBIBYTE, MEGABYTE } from "../kafka/sizes.ts";
import { syncDisks } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import { secondsBehind, watchBacklog } from "./backlog.ts";
import type { SegmentRows, SegmentsContext } from "./context.ts";
import { startOurs } from "./ours.ts";

const PARTITIONS = 6;

const NAME = "produce 1 KiB, 6 partitions, with all workers, against none";
const BEHIND = "not compacted yet at the end, with all workers";
/** Records wait ten seconds, and then until there are enough of their partition for a whole segment. */
const LAG = "seconds of producing not compacted yet at its end, against three quarters of it";

/** What the compactor takes from producers. Each sample has a broker of its own, for the log grows with each. */
export const produceGroup: SegmentRows = {
  rows: [NAME, BEHIND, LAG],
  async measure(context) {
    const rates = { all: [] as number[], none: [] as number[] };
    const behind: number[] = [];
    const lag = { end: [] as number[], before: [] as number[] };
    for (let repeat = 0; repeat < context.repeats; repeat++) {
      for (const workers of repeat % 2 === 0 ? (["none", "all"] as const) : (["all", "none"] as const)) {
        const { rate, share, seconds } = await produceOnce(workers, context);
        rates[workers].push(rate);
        context.say(`produce, workers ${workers}: ${rounded(rate)} MB/s, ${rounded(share)} % not compacted`);
        if (workers === "none") continue;
        behind.push(share);
        lag.end.push(seconds.end);
        lag.before.push(seconds.before);
        context.say(`behind by ${rounded(seconds.end)} s of producing, ${rounded(seconds.before)} s at three quarters`);
      }
    }
    return [
      { name: NAME, unit: "MB/s", better: "higher", ours: rates.all, reference: rates.none },
      { name: BEHIND, unit: "%", better: "lower", ours: behind, reference: [] },
      { name: LAG, unit: "s", better: "lower", ours: lag.end, reference: lag.before },
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
  const { result, looks } = await watchBacklog(metrics, () => producePerformance(broker.address, sent));
  const { bytes = 0 } = looks.at(-1) ?? {};
  await scratch.clear();
  const rate = (result.recordsPerSecond * KIBIBYTE) / MEGABYTE;
  return { rate, share: (100 * bytes) / sizes.produceBytes, seconds: secondsBehind(looks, rate) };
}
