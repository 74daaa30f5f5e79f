import { provideJava } from "../../test/clients/support/java.ts";
import { provideKcat } from "../../test/clients/support/provision.ts";
import { dropCaches } from "../support/machine.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { consumeGroup, tailGroup } from "./consume-group.ts";
import { consumerPerformanceGroup } from "./consumer-performance-group.ts";
import { CONTESTANTS } from "./contestants.ts";
import { firstAckGroup } from "./first-ack-group.ts";
import type { KafkaContext, RowGroup } from "./group.ts";
import { latencyGroup } from "./latency-group.ts";
import { memoryGroup } from "./memory-group.ts";
import { produceGroup } from "./produce-group.ts";
import { FULL_SIZES, KIBIBYTE, SMALL_SIZES } from "./sizes.ts";

const GROUPS: readonly RowGroup[] = [
  produceGroup({ label: "1 KiB", recordBytes: KIBIBYTE, partitions: 1 }),
  produceGroup({ label: "1 KiB", recordBytes: KIBIBYTE, partitions: 6 }),
  produceGroup({ label: "100 B", recordBytes: 100, partitions: 1 }),
  produceGroup({ label: "100 B", recordBytes: 100, partitions: 6 }),
  consumeGroup,
  consumerPerformanceGroup,
  tailGroup,
  latencyGroup,
  memoryGroup,
  firstAckGroup,
];
/** Other numbers for the same code add nothing to a small run. */
const SMALL_GROUPS = GROUPS.slice(1, 2).concat(GROUPS.slice(4));

/** Millrace and Apache Kafka on the same machine in the same minutes, driven by the same clients. */
export const kafkaSuite: BenchSuite = {
  name: "kafka",
  what: "beside Apache Kafka 4.3.1: produce, consume, latency, CPU, memory, start (about 45 minutes, 25 GB of disk)",
  async run(base) {
    const context: KafkaContext = { ...base, sizes: base.isSmall ? SMALL_SIZES : FULL_SIZES };
    await provideJava();
    await provideKcat();
    for (const { name, what } of CONTESTANTS) context.say(`${name}: ${what}`);
    const measured: Measured[] = [];
    for (const group of base.isSmall ? SMALL_GROUPS : GROUPS) {
      if (!group.rows.some(context.wants)) continue;
      // Each group starts its own brokers and leaves nothing behind, neither on the disk nor in memory.
      if (!context.isSmall) await dropCaches();
      const rows = await group.measure(context);
      measured.push(...rows.filter(({ name }) => context.wants(name)));
    }
    return measured;
  },
};
