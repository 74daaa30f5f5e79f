import { provideJava } from "../../test/clients/support/java.ts";
import { KAFKA, KAFKA_SYNCED, OURS } from "../kafka/contestants.ts";
import { dropCaches } from "../support/machine.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { CLASSIC } from "./classic-protocol.ts";
import { commitRows } from "./commit-rows.ts";
import { CONSUMER } from "./consumer-protocol.ts";
import type { GroupRows, GroupsContext } from "./context.ts";
import { heartbeatRows } from "./heartbeat-rows.ts";
import { rebalanceRows } from "./rebalance-rows.ts";
import { FULL_GROUP_SIZES, SMALL_GROUP_SIZES } from "./sizes.ts";

const ROWS: readonly GroupRows[] = [
  heartbeatRows(CLASSIC),
  heartbeatRows(CONSUMER),
  commitRows,
  rebalanceRows(CLASSIC),
  rebalanceRows(CONSUMER),
];

/** Consumer groups of Millrace and of Apache Kafka, with members that cost little. */
export const groupsSuite: BenchSuite = {
  name: "groups",
  what: "groups beside Apache Kafka 4.3.1: heartbeats, offset commits, rebalances (about 15 minutes)",
  async run(base) {
    const context: GroupsContext = { ...base, sizes: base.isSmall ? SMALL_GROUP_SIZES : FULL_GROUP_SIZES };
    await provideJava();
    for (const { name, what } of [OURS, KAFKA, KAFKA_SYNCED]) context.say(`${name}: ${what}`);
    const measured: Measured[] = [];
    for (const group of ROWS) {
      if (!group.rows.some(context.wants)) continue;
      if (!context.isSmall) await dropCaches();
      const rows = await group.measure(context);
      measured.push(...rows.filter(({ name }) => context.wants(name)));
    }
    return measured;
  },
};
