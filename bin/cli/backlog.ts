import type { BrokerServices } from "#lib/broker/broker-services.ts";
import { listPartitions } from "./segment-list.ts";

/** Records of compacted topics that lie in write-ahead entries, which the cleaner does not look at. */
export async function uncleanableRecords(
  services: Pick<BrokerServices, "cluster" | "journals">,
  signal: AbortSignal,
): Promise<number> {
  let records = 0;
  for (const { state } of await listPartitions(services, { topic: undefined, signal })) {
    if (services.cluster.settings(state.topicId)?.isCompacted !== true) continue;
    for (const { baseOffset, nextOffset } of state.entries) records += nextOffset - baseOffset;
  }
  return records;
}
