import { describe, expect, test } from "vitest";
import { MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { LostRecords } from "#lib/housekeeping/lost-records.ts";
import { segmentKey } from "#lib/log/segments.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { compactByHand } from "./replication/compact-by-hand.ts";
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
  const lostRecords = new LostRecords({ journals: leader.journals, stores, clock, logger: SILENT_LOGGER });
  const verdict = await clock.run(lostRecords.declareLost({ topic, partitionIndex: 0 }, never));
  expect(verdict).toEqual({ kind: "unknown", silent: [2] });
  const [partition] = leader.journal().state.partitions.values();
  expect(partition?.entries.map(({ place }) => place.kind)).toEqual(["object", "object"]);
});

describe("a log segment", () => {
  async function compacted() {
    const topic = replicatedTopic(1);
    const { world, leader } = await startLed(topic);
    for (const text of ["a", "b"]) await leader.append(topic, text.repeat(5_000));
    await leader.settle();
    const journal = leader.journal();
    const segment = await compactByHand(world, { journal, topic, copies: [0, 1, 2] });
    await leader.append(topic, "behind it");
    const { clock } = world;
    const all = [0, 1, 2].map((id) => [id, new MemoryObjectStore(world.service(id), { clock })] as const);
    const stores = new StoreSet(new Map(all));
    const lostRecords = new LostRecords({ journals: leader.journals, stores, clock, logger: SILENT_LOGGER });
    const declareLost = () => clock.run(lostRecords.declareLost({ topic, partitionIndex: 0 }, never));
    return { world, journal, segment, declareLost };
  }

  test("whose log no store has is given up; what comes behind it stays", async () => {
    const { world, journal, segment, declareLost } = await compacted();
    expect(await declareLost()).toEqual({ kind: "whole" });
    for (const id of [0, 1, 2]) world.service(id).delete(segmentKey(segment, "log"));
    expect(await declareLost()).toEqual({ kind: "declared", objectCount: 1 });
    const [partition] = journal.state.partitions.values();
    expect(partition?.segments.map(({ baseOffset, nextOffset, copies }) => [baseOffset, nextOffset, copies])).toEqual([
      [0, segment.nextOffset, []],
    ]);
    expect(partition?.entries.length).toBe(1);
    expect(await declareLost()).toEqual({ kind: "whole" });
  });

  test("whose indexes alone are lost gets them again and loses no record", async () => {
    const { world, journal, segment, declareLost } = await compacted();
    const key = segmentKey(segment, "timeindex");
    const before = world.service(0).objects.get(key)?.bytes.slice();
    world.service(0).truncate(key, 5);
    for (const id of [1, 2]) world.service(id).delete(key);
    world.service(0).damage(segmentKey(segment, "log"), 200);
    expect(await declareLost()).toEqual({ kind: "mended", fileCount: 1 });
    for (const id of [0, 1, 2]) expect(world.service(id).objects.get(key)?.bytes).toEqual(before);
    const [partition] = journal.state.partitions.values();
    expect(partition?.segments).toEqual([segment]);
    expect(await declareLost()).toEqual({ kind: "whole" });
  });
});
