import { describe, expect, test } from "vitest";
import { type Finding, Findings } from "#lib/housekeeping/doctor/finding.ts";
import { JournalWalk } from "#lib/housekeeping/doctor/journal-walk.ts";
import { ObjectExam } from "#lib/housekeeping/doctor/object-exam.ts";
import type { ObjectSource } from "#lib/housekeeping/doctor/ports.ts";
import { StorePresence } from "#lib/housekeeping/doctor/store-presence.ts";
import { encodePointer } from "#lib/journal/snapshot-shelf.ts";
import { defined } from "#lib/util/assert.ts";
import { objectKey } from "#lib/util/branded.ts";
import { SNAPSHOT_RECORDS_MIN, TRIM_DELAY_MS } from "#lib/util/limits.ts";
import { JOURNAL, NEVER, SNAPSHOTS } from "../../journal/support.ts";
import { counterMachine } from "../../support/counter-machine.ts";
import { StoredObjectsWorld } from "../stored-objects-world.ts";

/** A snapshot at 6, and an archive that ends at 12, then at 18. */
async function withArchive() {
  const world = new StoredObjectsWorld();
  const state = await world.start();
  for (let count = 0; count < 3; count++) {
    await world.fill(state, 6, new Uint8Array(200_000));
    await world.run(state.takeSnapshot(NEVER));
  }
  await world.fill(state, 2);
  return { world, state, newest: defined(world.pointers().at(-1)) };
}

/** `beforeGet` is called before each read of an object. */
async function examined(world: StoredObjectsWorld, beforeGet: (key: string) => void = () => {}) {
  const found: Finding[] = [];
  const findings = new Findings((finding) => found.push(finding));
  const journal = world.service.connect();
  const ports = {
    journals: {
      read: (...call: Parameters<typeof journal.read>) => world.run(journal.read(...call)),
      list: async () => [JOURNAL, SNAPSHOTS],
    },
    stores: new Map(
      world.stores.ids.map((id) => {
        const store = world.stores.store(id);
        const get: ObjectSource["get"] = async (key, signal) => {
          beforeGet(key);
          return await store.get(key, signal);
        };
        return [id, { get, list: store.list.bind(store) }];
      }),
    ),
  };
  const presence = await world.run(StorePresence.of(ports, NEVER));
  const objects = new ObjectExam({ ports, presence, findings, signal: NEVER });
  const walk = new JournalWalk(JOURNAL, counterMachine(), { ports, objects, findings, signal: NEVER });
  const records = walk.records();
  while ((await records.next()).done !== true);
  return { kinds: found.map(({ kind }) => kind), state: walk.state, tally: findings.tally };
}

describe("an archive", () => {
  test("is read, and its pointers count as snapshots", async () => {
    const { world, state } = await withArchive();
    const { kinds, tally, state: walked } = await examined(world);
    expect(kinds).toEqual([]);
    expect(tally.snapshots).toBe(3);
    expect(walked).toEqual(state.state);
  });

  test("stands in for trimmed records", async () => {
    const { world, state } = await withArchive();
    await world.clock.advance(TRIM_DELAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(12);
    const { kinds, state: walked } = await examined(world);
    expect(kinds).toEqual([]);
    expect(walked).toEqual(state.state);
  });

  test("with a chunk that is damaged in one store, or gone from all, is named", async () => {
    const { world, newest } = await withArchive();
    const key = objectKey(newest.chunks[1]?.object.key ?? "");
    world.services[0]?.damage(key, 100);
    expect((await examined(world)).kinds).toEqual(["object-damaged"]);
    for (const service of world.services) service.delete(key);
    const { kinds, tally } = await examined(world);
    expect([...new Set(kinds)]).toEqual(["object-missing"]);
    expect(tally.snapshots).toBe(2);
  });

  test("whose pointer tells another number of bytes is named", async () => {
    const { world, newest } = await withArchive();
    const bytes = encodePointer({ ...newest, journalBytes: newest.journalBytes + 1 });
    world.service.tamper(SNAPSHOTS, newest.seq, bytes);
    expect((await examined(world)).kinds).toEqual(["snapshot-pointer"]);
  });
});

test("a snapshot that is trimmed and deleted while doctor reads is no finding, and one whose pointer stands is", async () => {
  const world = new StoredObjectsWorld();
  const state = await world.start();
  for (let count = 0; count < 2; count++) {
    await world.fill(state, SNAPSHOT_RECORDS_MIN);
    await world.run(state.takeSnapshot(NEVER));
  }
  // A store where nothing is counts as away.
  for (const service of world.services) service.put(objectKey("marker.json"), Buffer.from("a marker"));
  const [older, newer] = world.pointers().map((pointer) => defined(pointer));
  const remove = (pointer = defined(older)) => {
    for (const service of world.services) service.delete(objectKey(pointer.object.key));
  };
  const trimmed = await examined(world, (key) => {
    if (key !== older?.object.key) return;
    world.service.trim(SNAPSHOTS, older.seq);
    remove();
  });
  expect(trimmed).toMatchObject({ kinds: [], tally: { snapshots: 1 }, state: state.state });
  remove(newer);
  expect(new Set((await examined(world)).kinds)).toEqual(new Set(["object-missing"]));
});
