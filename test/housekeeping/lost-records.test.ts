import { expect, test } from "vitest";
import { MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { LostRecords } from "#lib/housekeeping/lost-records.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { replicatedTopic, startLed } from "./replication/replica-world.ts";

const never = new AbortController().signal;

test("a process that was not given all stores of a journal gives up nothing: a late copy may lie in the others", async () => {
  const topic = replicatedTopic(1);
  const { world, leader } = await startLed(topic);
  leader.faults.set(2, () => ({ kind: "slow", delayMs: 100 }));
  await leader.append(topic, "late");
  await leader.settle();
  for (const id of [0, 1]) world.empty(id);
  const { clock } = world;
  const two = [0, 1].map((id) => [id, new MemoryObjectStore(world.service(id), { clock })] as const);
  const stores = new StoreSet(new Map(two));
  const lostRecords = new LostRecords({ journals: leader.journals, stores, logger: SILENT_LOGGER });
  const verdict = await clock.run(lostRecords.declareLost({ topic, partitionIndex: 0 }, never));
  expect(verdict).toEqual({ kind: "unknown", silent: [2] });
  const [partition] = leader.journal().state.partitions.values();
  expect(partition?.entries.map(({ place }) => place.kind)).toEqual(["object", "object"]);
});
