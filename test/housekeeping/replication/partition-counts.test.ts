import { expect, test } from "vitest";
import { offlineCount, underReplicatedCount } from "#lib/housekeeping/replication/partition-counts.ts";
import { FoldedLog, open } from "../../log/log-fixtures.ts";

/** Partitions 0 and 1 have three replicas, partition 2 has one: at the first store of the journal, 1. */
function logWith(isr: readonly number[]) {
  const log = new FoldedLog();
  log.fold({ kind: "place-replicas", replicas: [1, 2, 0] });
  log.fold(open([0, 1], { replicationFactor: 3 }));
  log.fold(open([2], { replicationFactor: 1 }));
  log.fold({ kind: "alter-isr", expectedIsrEpoch: 0, isr });
  return log.state;
}

test("partitions are under-replicated where one of their own stores is out of the ISR", () => {
  expect(underReplicatedCount([logWith([0, 1, 2])])).toBe(0);
  expect(underReplicatedCount([logWith([0, 1])])).toBe(2);
  expect(underReplicatedCount([logWith([0, 2]), logWith([0])])).toBe(6);
});

test("partitions are offline where none of their in-sync stores can be reached", () => {
  expect(offlineCount([logWith([0, 1, 2])], () => false)).toBe(0);
  expect(offlineCount([logWith([0, 1, 2])], (id) => id === 1)).toBe(1);
  expect(offlineCount([logWith([0, 2])], () => false)).toBe(1);
  expect(offlineCount([logWith([0, 2])], () => true)).toBe(3);
});
