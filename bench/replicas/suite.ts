import { provideJava } from "../../test/clients/support/java.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { failoverGroups } from "./failover-group.ts";
import type { ReplicasContext, ReplicasGroup } from "./group.ts";
import { produceGroup } from "./produce-group.ts";
import { FULL_SIZES, SMALL_SIZES } from "./sizes.ts";
import { slowStoreGroups } from "./slow-store-group.ts";

const GROUPS: readonly ReplicasGroup[] = [produceGroup, ...failoverGroups, ...slowStoreGroups];
/** Other lingers add nothing to a small run. */
const SMALL_GROUPS: readonly ReplicasGroup[] = [produceGroup, ...failoverGroups, ...slowStoreGroups.slice(2)];

/** Three brokers on three stores beside three nodes of Apache Kafka, and what a store that is slow does to us. */
export const replicasSuite: BenchSuite = {
  name: "replicas",
  what: "three brokers and stores beside three nodes of Apache Kafka: produce, failover; a slow store (about 30 minutes, 30 GB of disk)",
  async run(base) {
    const context: ReplicasContext = { ...base, sizes: base.isSmall ? SMALL_SIZES : FULL_SIZES };
    const measured: Measured[] = [];
    for (const group of base.isSmall ? SMALL_GROUPS : GROUPS) {
      if (!group.rows.some(context.wants)) continue;
      if (!slowStoreGroups.includes(group)) await provideJava();
      const rows = await group.measure(context);
      measured.push(...rows.filter(({ name }) => context.wants(name)));
    }
    return measured;
  },
};
