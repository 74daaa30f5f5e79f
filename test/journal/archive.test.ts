import { describe, expect, test } from "vitest";
import { decodeChunk, encodeChunk } from "#lib/journal/archive-chunk.ts";
import type { JournalRecord } from "#lib/journal/journal.ts";
import { decodePointer, encodePointer, type SnapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import { defined } from "#lib/util/assert.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { ARCHIVE_CHUNKS_MAX, SNAPSHOT_PROOF_MS_MAX, TRIM_DELAY_MS } from "#lib/util/limits.ts";
import type { CounterJournal } from "./support.ts";
import { CountedObjects, FaultList, JOURNAL, NEVER, SNAPSHOTS, World } from "./support.ts";

const DAY_MS = TRIM_DELAY_MS;
const LARGE = new Uint8Array(200_000);
/** Records of that size that make more than 1 MiB. */
const RECORDS = 6;

function pointersOf(world: World): readonly SnapshotPointer[] {
  return world.service.recordsOf(SNAPSHOTS).map((record: JournalRecord) => decodePointer(record));
}

function pointerAt(world: World, seq: number): SnapshotPointer {
  return defined(pointersOf(world).find((pointer) => pointer.seq === seq));
}

async function mebibyteMore(world: World, state: CounterJournal): Promise<void> {
  await world.fill(state, RECORDS, LARGE);
  expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
}

/** A snapshot at 6, and an archive of `count` chunks of six records each. */
async function withArchive(count: number, options = { checksTrimMark: true }) {
  const world = new World(options);
  const { state } = await world.open();
  for (let left = count; left >= 0; left--) await mebibyteMore(world, state);
  return { world, state };
}

async function coldOpen(world: World) {
  const faults = new FaultList();
  const objects = new CountedObjects(world.objects);
  const state = world.process({ journal: world.service.connect(faults), objects });
  await world.run(state.open(NEVER));
  return { state, calls: faults.calls, keysRead: objects.keysRead };
}

describe("archives (J5)", () => {
  test("a mebibyte of records behind a pointer is archived while no snapshot is due", async () => {
    const { world, state } = await withArchive(2);
    const summary = pointersOf(world).map(({ seq, snapshotSeq, chunks }) => [
      seq,
      snapshotSeq,
      chunks.map((chunk) => chunk.lastSeq),
    ]);
    expect(summary).toEqual([
      [6, 6, []],
      [12, 6, [12]],
      [18, 6, [12, 18]],
    ]);
    expect(pointerAt(world, 18).journalBytes).toBe(3 * pointerAt(world, 6).journalBytes);
    await world.fill(state, RECORDS - 1, LARGE);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(false);
  });

  test("a cold open with 20 MiB behind the snapshot is one pointer, the objects and one page", async () => {
    const { world, state } = await withArchive(18);
    await world.fill(state, 3, LARGE);
    const opened = await coldOpen(world);
    expect(opened.calls).toEqual([`last ${SNAPSHOTS} 0`, `read ${JOURNAL} 115`]);
    expect(opened.keysRead).toHaveLength(1 + 18);
    expect(opened.state.checksum).toBe(state.checksum);
    expect(opened.state.state).toEqual(state.state);
  });

  test("many records at once are archived as several chunks", async () => {
    const { world, state } = await withArchive(0);
    await world.fill(state, 95, LARGE);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
    const { seq, chunks } = pointerAt(world, 101);
    expect(seq).toBe(101);
    expect(chunks.map((chunk) => chunk.object.byteLength > 8_000_000)).toEqual([true, true, false]);
    expect((await coldOpen(world)).state.checksum).toBe(state.checksum);
  });

  test("a pointer that names as many chunks as it may is followed by a snapshot", async () => {
    const { world, state } = await withArchive(0);
    await world.fill(state, ARCHIVE_CHUNKS_MAX);
    const { journalBytes, ...snapshot } = pointerAt(world, RECORDS);
    const records = world.service.recordsOf(JOURNAL).slice(RECORDS);
    const chunks = await world.run(
      Promise.all(
        records.map(async (record) => {
          const object = await world.objects.put("chunk", [encodeChunk([record])], NEVER);
          return { lastSeq: record.seq, object };
        }),
      ),
    );
    const archivedBytes = records.reduce((sum, { bytes }) => sum + bytes.byteLength, journalBytes);
    const pointer = { ...snapshot, seq: state.seq, journalBytes: archivedBytes, chunks };
    world.service.append(SNAPSHOTS, state.seq, encodePointer(pointer));
    expect((await coldOpen(world)).state.checksum).toBe(state.checksum);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(false);
    await mebibyteMore(world, state);
    expect(pointersOf(world).at(-1)).toMatchObject({ snapshotSeq: state.seq, chunks: [] });
  });

  test.each(["missing", "corrupt"])("a %s chunk leads to the pointer before it", async (damage) => {
    const { world, state } = await withArchive(3);
    const key = pointerAt(world, 24).chunks[1]?.object.key ?? "";
    if (damage === "missing") world.objects.delete(key);
    else world.objects.damage(key);
    const opened = await coldOpen(world);
    expect(opened.calls).toContain(`read ${JOURNAL} 13`);
    expect(opened.state.checksum).toBe(state.checksum);
    expect(opened.state.state).toEqual(state.state);
  });

  test("a late pointer of either kind below the newest changes nothing", async () => {
    const { world, state } = await withArchive(2);
    const { chunks, ...pointer } = pointerAt(world, 12);
    world.service.append(SNAPSHOTS, 7, encodePointer({ ...pointer, chunks: [] }));
    const late = chunks.map(({ object }) => ({ lastSeq: 8, object }));
    world.service.append(SNAPSHOTS, 8, encodePointer({ ...pointer, chunks: late }));
    const opened = await coldOpen(world);
    expect(opened.calls).toEqual([`last ${SNAPSHOTS} 0`, `read ${JOURNAL} 19`]);
    expect(opened.state.checksum).toBe(state.checksum);
  });

  test("two processes that archive the same records leave one pointer", async () => {
    const { world, state } = await withArchive(1);
    const other = (await world.open()).state;
    await world.fill(state, RECORDS, LARGE);
    await world.run(other.readBarrier(NEVER));
    const taken = await world.run(Promise.all([state.takeSnapshot(NEVER), other.takeSnapshot(NEVER)]));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(pointersOf(world).map(({ seq }) => seq)).toEqual([6, 12, 18]);
  });

  test("a sleeper does not archive late records at numbers that a trim has freed", async () => {
    const { world, state } = await withArchive(0, { checksTrimMark: false });
    await world.fill(state, RECORDS, LARGE);
    const faults = new FaultList("read");
    const { state: sleeper } = await world.open(faults);
    faults.push({ kind: "freeze", ms: 3 * DAY_MS });
    const taking = sleeper.takeSnapshot(NEVER);
    await world.clock.advance(10);
    for (let left = 3; left > 0; left--) await mebibyteMore(world, state);
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBeGreaterThan(12);
    const ghost = new Uint8Array(60);
    for (let seq = 7; seq <= 12; seq++) world.service.append(JOURNAL, seq, ghost);
    await world.clock.advance(3 * DAY_MS);
    expect(await world.run(taking)).toBe(false);
    expect(faults.calls).toContain(`read ${JOURNAL} 7`);
    expect((await coldOpen(world)).state.checksum).toBe(state.checksum);
  });

  test("an archive goes no further than its writer has folded", async () => {
    const { world, state } = await withArchive(0);
    const other = (await world.open()).state;
    await world.fill(state, RECORDS, LARGE);
    await world.run(other.readBarrier(NEVER));
    await world.fill(state, 2, LARGE);
    expect(await world.run(other.takeSnapshot(NEVER))).toBe(true);
    expect(pointersOf(world).at(-1)).toMatchObject({ seq: 12, journalBytes: 2 * pointerAt(world, 6).journalBytes });
  });
});

describe("trimming with archives (J6)", () => {
  test("goes up to the second newest pointer of either kind, a day after it was taken", async () => {
    const { world, state } = await withArchive(3);
    await world.clock.advance(DAY_MS - 1);
    expect(await world.run(state.trim(NEVER))).toBe(0);
    await world.clock.advance(1);
    expect(await world.run(state.trim(NEVER))).toBe(18);
    expect(world.service.recordsOf(JOURNAL)[0]?.seq).toBe(19);
    expect(pointersOf(world).map(({ seq }) => seq)).toEqual([18, 24]);
    expect((await coldOpen(world)).state.checksum).toBe(state.checksum);
    world.objects.delete(pointerAt(world, 24).chunks[2]?.object.key ?? "");
    expect((await coldOpen(world)).state.checksum).toBe(state.checksum);
  });

  test("looks behind younger pointers for the newest one of a day, however many there are", async () => {
    const { world, state } = await withArchive(18);
    await world.clock.advance(DAY_MS);
    for (let left = 18; left > 0; left--) await mebibyteMore(world, state);
    expect(await world.run(state.trim(NEVER))).toBe(19 * RECORDS);
  });

  test("is refused while a chunk of one of the two cannot be read", async () => {
    const { world, state } = await withArchive(2);
    world.objects.damage(pointerAt(world, 18).chunks[1]?.object.key ?? "");
    await world.clock.advance(DAY_MS);
    await expect(world.run(state.trim(NEVER))).rejects.toThrow(/hash/);
    expect(world.service.recordsOf(JOURNAL)[0]?.seq).toBe(1);
  });

  test("passes over an old pointer whose objects are gone", async () => {
    const { world, state } = await withArchive(1);
    for (let left = 2; left > 0; left--) await mebibyteMore(world, state);
    const [first] = world.service.recordsOf(SNAPSHOTS);
    const lost = { ...decodePointer(defined(first)), object: { ...pointerAt(world, 6).object, key: "gone" } };
    world.service.append(SNAPSHOTS, 19, encodePointer({ ...lost, seq: 19 }));
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(18);
  });

  test("reads what pointers have in common once in a while, not each time", async () => {
    const { world, state } = await withArchive(3);
    const objects = new CountedObjects(world.objects);
    const keeper = world.process({ journal: world.service.connect(), objects });
    await world.run(keeper.open(NEVER));
    await world.clock.advance(DAY_MS);
    objects.keysRead.length = 0;
    expect(await world.run(keeper.trim(NEVER))).toBe(18);
    expect(objects.keysRead).toHaveLength(1 + 3);
    await mebibyteMore(world, state);
    expect(await world.run(keeper.trim(NEVER))).toBe(24);
    expect(objects.keysRead).toHaveLength(4 + 1);
    await mebibyteMore(world, state);
    await world.clock.advance(Math.max(DAY_MS, SNAPSHOT_PROOF_MS_MAX));
    // Who has read nothing for so long loads anew.
    await world.run(keeper.readBarrier(NEVER));
    objects.keysRead.length = 0;
    expect(await world.run(keeper.trim(NEVER))).toBe(30);
    expect(objects.keysRead).toHaveLength(1 + 5);
  });
});

describe("chunks and pointers", () => {
  test("a chunk that does not hold what its pointer says is damage", () => {
    const record = (seq: number) => ({ seq, bytes: new Uint8Array(seq) });
    const bytes = encodeChunk([record(4), record(5), record(6)]);
    expect(decodeChunk(bytes, 3, 6)).toEqual([record(4), record(5), record(6)]);
    expect(() => decodeChunk(bytes, 2, 6)).toThrow(DecodeError);
    expect(() => decodeChunk(bytes, 3, 7)).toThrow(DecodeError);
    expect(() => decodeChunk(bytes.subarray(0, -1), 3, 6)).toThrow(DecodeError);
    expect(() => decodeChunk(new Uint8Array([...bytes, 0]), 3, 6)).toThrow(DecodeError);
  });

  test("a pointer whose archive does not lead from its snapshot to its own number is damage", async () => {
    const { world } = await withArchive(2);
    const pointer = pointerAt(world, 18);
    expect(decodePointer({ seq: 18, bytes: encodePointer(pointer) })).toEqual(pointer);
    expect(() => decodePointer({ seq: 19, bytes: encodePointer(pointer) })).toThrow(DecodeError);
    const chunks = pointer.chunks.toReversed();
    expect(() => decodePointer({ seq: 12, bytes: encodePointer({ ...pointer, chunks }) })).toThrow(DecodeError);
    const behind = { ...pointer, snapshotSeq: 12 };
    expect(() => decodePointer({ seq: 18, bytes: encodePointer(behind) })).toThrow(DecodeError);
  });
});
