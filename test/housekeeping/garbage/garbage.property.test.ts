import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import type { StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import { type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { entryInput, segmentFiles } from "#lib/log/segments.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { NEVER } from "../../log/append-harness.ts";
import { flushIdOf } from "../../log/log-fixtures.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { type Collector, GarbageWorld, HOUR_MS, TOPIC } from "./garbage-world.ts";

// Writers with clocks of their own upload, sleep for minutes or for hours with what they have uploaded, and refer to it
// then: by appends, by gathered objects, by segments in the place of entries. Others move log starts. Collectors run
// beside them, by schedule and by hand, and their stores and journals fail.

const { topicId } = TOPIC;
const WRITER_ROUNDS = 14;
const COLLECTOR_ROUNDS = 12;
const CLOCK_SKEWS = [0, -30, 6];

test.each(Array.from({ length: 24 }, (_, seed) => seed))(
  "whatever sleeps, races and fails, nothing that is referred to goes, and all the rest does, seed %i",
  async (seed) => {
    const world = new RacedWorld(seed);
    await world.openTopic();
    const writers = CLOCK_SKEWS.map((skewHours, index) => world.write(index, skewHours));
    const collectors = [0, 1].map((index) => world.collect(index));
    await world.run(Promise.all([...writers, ...collectors]));
    expect(world.retiredCount + world.takenCount).toBeGreaterThan(10);
    // What clocks that are ahead have written comes of age as well.
    const last = world.collector();
    for (let runs = 0; runs < 2; runs++) {
      await world.clock.advance(12 * HOUR_MS);
      await last.run();
    }
    const live = [...(await world.run(world.live()))].toSorted();
    for (const store of [0, 1]) expect(world.keys(store)).toEqual(live);
    expect(live.length).toBeGreaterThan(0);
  },
);

class RacedWorld extends GarbageWorld {
  readonly #random: SeededRandom;
  readonly #observer: LogJournals;
  #uploads = 0;
  retiredCount = 0;
  takenCount = 0;

  constructor(seed: number) {
    super(2);
    this.#random = new SeededRandom(seed + 1);
    this.#observer = this.journals(undefined, 800);
  }

  async write(index: number, skewHours: number): Promise<void> {
    const journals = this.journals(undefined, 810 + index);
    for (let round = 0; round < WRITER_ROUNDS; round++) {
      await this.#pause();
      const partitionIndex = this.#random.below(2);
      const journal = await journals.journal(partitionIndex, NEVER);
      await journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, NEVER);
      const floors = journals.allOpened().map(({ state }) => state.retireFloor);
      const uploadEpoch = Math.max(this.hour + skewHours, ...floors.map((floor) => floor + 1));
      const command = this.#prepare(partitionIndex, journal, uploadEpoch);
      // The freeze between upload and command.
      await this.#pause();
      const { outcome } = await journal.propose(command, { lane: "test", signal: NEVER });
      if (outcome.kind === "retired") this.retiredCount++;
      else if (outcome.kind !== "refused") this.takenCount++;
    }
  }

  async collect(index: number): Promise<void> {
    const collector = this.collector({
      journalFaults: { next: () => this.#journalFault() },
      storeFaults: () => this.#storeFault(),
    });
    for (let round = 0; round < COLLECTOR_ROUNDS; round++) {
      await this.#pause();
      await this.#runOf(collector, this.#random.below(3) === index);
      await this.expectWhole();
    }
  }

  /** Whatever the newest states refer to is there. */
  async expectWhole(): Promise<void> {
    const live = await this.live();
    for (const store of [0, 1]) {
      const keys = new Set(this.keys(store));
      expect([...live].filter((key) => !keys.has(key))).toEqual([]);
    }
  }

  async live(): Promise<ReadonlySet<ObjectKey>> {
    const journals = await this.#observer.openAll(NEVER);
    await Promise.all(journals.map((journal) => journal.readBarrier(NEVER)));
    const live = new Set<ObjectKey>();
    for (const { state } of journals) {
      for (const { entries, segments } of state.partitions.values()) {
        for (const { place } of entries) if (place.kind === "object") live.add(place.key);
        for (const { key } of segments.flatMap(segmentFiles)) live.add(key);
      }
    }
    return live;
  }

  /** Uploads what the command refers to. */
  #prepare(partitionIndex: number, { state }: LogJournal, uploadEpoch: number): LogCommand {
    const n = 100 + this.#uploads++;
    const partition = defined(state.partitions.get(partitionKey(topicId, partitionIndex)));
    const run = partition.entries.slice(0, 1 + this.#random.below(3));
    const choice = this.#random.below(10);
    if (choice === 0) return this.#advance(partition);
    if (choice <= 3 && run.length > 0) return this.#replace(partition, run.length, uploadEpoch);
    const flushId = flushIdOf(n);
    const key = this.upload(n, uploadEpoch);
    const object = { flushId, key, byteLength: 100, copies: [0] };
    if (choice <= 5 && run.length > 0) {
      const parts = [{ topicId, partitionIndex, inputs: run.map(entryInput), position: 0 }];
      return { kind: "gather", ...object, parts };
    }
    const facts = { maxTimestampMs: 1, producerId: -1, producerEpoch: -1, baseSequence: -1, isTransactional: false };
    const batch = { byteLength: 100, offsetCount: 1, ...facts, requireMinInsync: false };
    const parts = [{ topicId, partitionIndex, position: 0, batches: [batch] }];
    return { kind: "append", flushId, source: { kind: "object", ...object }, parts };
  }

  #advance({ partitionIndex, logStartOffset, logEndOffset }: PartitionState): LogCommand {
    const target = logStartOffset + this.#random.below(logEndOffset - logStartOffset + 1);
    return { kind: "advance-log-start", topicId, partitionIndex, logStartOffset: target };
  }

  #replace({ partitionIndex, entries }: PartitionState, count: number, uploadEpoch: number): LogCommand {
    const run = entries.slice(0, count);
    const { baseOffset } = defined(run[0]);
    const { nextOffset } = defined(run.at(-1));
    const segments = [this.uploadSegment({ baseOffset, nextOffset }, uploadEpoch)];
    return { kind: "replace", topicId, partitionIndex, inputs: run.map(entryInput), segments };
  }

  async #runOf(collector: Collector, isForced: boolean): Promise<void> {
    await collector.worker.runOnce({ isForced, signal: NEVER }).catch(() => 0);
  }

  /** Moments, minutes or hours. */
  #pause(): Promise<void> {
    const longest = defined([10, 10, 5_000, 20 * 60_000, 8 * HOUR_MS][this.#random.below(5)]);
    return this.clock.sleep(this.#random.below(longest));
  }

  #journalFault(): JournalFault | undefined {
    const faults: readonly JournalFault[] = [
      { kind: "lost-answer" },
      { kind: "failure" },
      { kind: "late-effect", afterMs: 5_000 },
      { kind: "slow", ms: 3_000 },
    ];
    return this.#random.below(6) === 0 ? faults[this.#random.below(faults.length)] : undefined;
  }

  #storeFault(): StoreFault | undefined {
    const faults: readonly StoreFault[] = [
      { kind: "lost-answer" },
      { kind: "unavailable" },
      { kind: "late-effect", delayMs: 5_000 },
      { kind: "slow", delayMs: 3_000 },
    ];
    return this.#random.below(6) === 0 ? faults[this.#random.below(faults.length)] : undefined;
  }
}
