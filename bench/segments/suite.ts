import { provideJava } from "../../test/clients/support/java.ts";
import { dropCaches } from "../support/machine.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchContext, BenchSuite } from "../support/suite.ts";
import type { SegmentRows, SegmentsContext } from "./context.ts";
import { logGroup } from "./log-group.ts";
import { partitionsGroup } from "./partitions-group.ts";
import { produceGroup } from "./produce-group.ts";
import { checkDisk, Scratch } from "./scratch.ts";
import { DISK_BYTES, FULL_SEGMENT_SIZES, type SegmentSizes, SMALL_SEGMENT_SIZES } from "./sizes.ts";

const GROUPS: readonly SegmentRows[] = [logGroup, produceGroup, partitionsGroup];

/** Log segments: what they cost to make and to read, and how the broker bears very many partitions. */
export const segmentsSuite: BenchSuite = {
  name: "segments",
  what: "log segments beside Apache Kafka 4.3.1, 50,000 partitions (about 45 minutes, 40 GB of disk)",
  async run(base) {
    const sizes = sizesOf(base);
    const isLogWanted = logGroup.rows.some(base.wants);
    // A sample of a rate is written ahead, and once more in segments.
    checkDisk(isLogWanted ? DISK_BYTES * (sizes.logBytes / FULL_SEGMENT_SIZES.logBytes) : 2.5 * sizes.produceBytes);
    await provideJava();
    await using scratch = new Scratch();
    const context: SegmentsContext = { ...base, sizes, scratch };
    const measured: Measured[] = [];
    for (const group of GROUPS) {
      if (!group.rows.some(context.wants)) continue;
      if (!context.isSmall) await dropCaches();
      const rows = await group.measure(context);
      await scratch.clear();
      measured.push(...rows.filter(({ name }) => context.wants(name)));
    }
    return measured;
  },
};

function sizesOf({ isSmall, gigabytes, partitions }: BenchContext): SegmentSizes {
  const sizes = isSmall ? SMALL_SEGMENT_SIZES : FULL_SEGMENT_SIZES;
  const logBytes = gigabytes === undefined ? sizes.logBytes : gigabytes * 1e9;
  return {
    ...sizes,
    logBytes,
    produceBytes: (sizes.produceBytes * logBytes) / sizes.logBytes,
    partitions: partitions ?? sizes.partitions,
  };
}
