import { describe, expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { HOUSEKEEPING_PERIOD_MS } from "#lib/util/limits.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import {
  fetchOnce,
  IdempotentProducer,
  logEnd,
  PlainProducer,
  SeenPartition,
  type SentBatch,
  TOPIC,
} from "./write-path-clients.ts";
import { BrokerSlot, World } from "./write-path-world.ts";

/** `SIM_FROM=100 SIM_SEEDS=500 npx vitest run --project simulation` tries other courses. */
const FROM = Number(process.env["SIM_FROM"] ?? 1);
const SEEDS = Array.from({ length: Number(process.env["SIM_SEEDS"] ?? 6) }, (_, index) => FROM + index);
const BROKERS = 3;
const PARTITIONS = 4;
const PHASES = 3;
const BATCHES_PER_PHASE = 30;
const DAY_MS = 24 * 3_600_000;

type Producer = IdempotentProducer | PlainProducer;

class Scenario {
  readonly world: World;
  readonly slots: readonly BrokerSlot[];
  readonly producers: readonly Producer[];
  readonly seen = Array.from({ length: PARTITIONS }, () => new SeenPartition());
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.world = new World(seed);
    this.#random = this.world.random.fork();
    const settings = {
      lingerMs: this.#random.below(3) * 10,
      inlineBytesMax: seed % 2 === 0 ? 0 : 2_000,
      flushBytesMax: 16_000,
      flushBatchesMax: 40,
    };
    this.slots = Array.from({ length: BROKERS }, (_, id) => new BrokerSlot(this.world, id, settings));
    this.producers = [
      ...[0, 1, 2].map((n) => new IdempotentProducer(`idempotent-${n}`, this.world, this.slots)),
      ...[0, 1].map((n) => new PlainProducer(`plain-${n}`, this.world, this.slots)),
    ];
  }

  async run(): Promise<void> {
    await this.#createTopic();
    for (let phase = 0; phase < PHASES; phase++) {
      await this.#phase();
      await this.#rest();
    }
    this.world.isHealed = true;
  }

  /** Time for snapshots, a day without anybody, time for what may be trimmed then. */
  async #rest(): Promise<void> {
    for (const sleepMs of [2 * HOUSEKEEPING_PERIOD_MS, DAY_MS, 2 * HOUSEKEEPING_PERIOD_MS]) {
      if (sleepMs === DAY_MS) await Promise.all(this.slots.map((slot) => slot.kill()));
      else await Promise.all(this.slots.map((slot) => slot.live()));
      await this.world.clock.sleep(sleepMs);
    }
  }

  async #phase(): Promise<void> {
    const done = new AbortController();
    const others = [this.#killNowAndThen(done.signal), this.#watch(done.signal), this.#watch(done.signal)];
    await Promise.all(this.producers.map((producer) => producer.work(BATCHES_PER_PHASE, PARTITIONS)));
    done.abort();
    await Promise.all(others);
  }

  /** What a process that has never seen anything reads, once everything late has landed. */
  async readAll(): Promise<readonly SeenPartition[]> {
    await this.world.clock.sleep(200_000);
    const live = await new BrokerSlot(this.world, BROKERS, {}).live();
    const connection = live.connect();
    const found: SeenPartition[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const all = new SeenPartition();
      const end = (await logEnd(connection, partition)) ?? -1;
      expect(end).toBeGreaterThanOrEqual(0);
      let offset = 0;
      while (offset < end) {
        const next = await fetchOnce(connection, { partition, offset }, all);
        expect(next, "a fetch below the log end brings records").toBeGreaterThan(offset);
        offset = next;
      }
      expect(all.values).toHaveLength(end);
      expect(all.values.includes(undefined), "no gap").toBe(false);
      found.push(all);
    }
    await live.stop();
    await Promise.all(this.slots.map((slot) => slot.stop()));
    return found;
  }

  async #createTopic(): Promise<void> {
    for (;;) {
      const live = await this.slots[0]?.live();
      const answer = await live?.connect().send(Apis.CREATE_TOPICS, 5, {
        topics: [{ name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 3, assignments: [], configs: [] }],
        timeoutMs: 30_000,
        validateOnly: false,
      });
      const error = answer?.topics[0]?.errorCode;
      if (error === ErrorCode.NONE || error === ErrorCode.TOPIC_ALREADY_EXISTS) return;
      await this.world.clock.sleep(100);
    }
  }

  async #killNowAndThen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.world.sleepUpTo(4_000, this.#random);
      const slot = this.slots[this.#random.below(BROKERS)];
      const draw = this.#random.below(3);
      if (draw === 0) await slot?.kill();
      else if (draw === 1) await slot?.stop();
      else await this.#storesOut();
    }
  }

  /** One store is away for some seconds, or two: then nothing but inlined flushes can be committed. */
  async #storesOut(): Promise<void> {
    const { stores, clock } = this.world;
    const away = stores.filter(() => this.#random.chance(0.5)).slice(0, 2);
    for (const store of away) store.isDown = true;
    await clock.sleep(this.#random.below(3_000));
    for (const store of away) store.isDown = false;
  }

  /** Reads along: an offset shows one value for ever, and the log end is never older than an acknowledgement. */
  async #watch(signal: AbortSignal): Promise<void> {
    const random = this.world.random.fork();
    const next = new Array<number>(PARTITIONS).fill(0);
    while (!signal.aborted) {
      await this.world.sleepUpTo(300, random);
      const partition = random.below(PARTITIONS);
      const connection = (await this.slots[random.below(BROKERS)]?.live())?.connect();
      const seen = this.seen[partition];
      if (connection === undefined || seen === undefined) return;
      if (random.chance(0.3)) {
        const acknowledged = this.#highestAcknowledged(partition);
        const end = await logEnd(connection, partition);
        if (end !== undefined) expect(end).toBeGreaterThan(acknowledged);
        continue;
      }
      const offset = random.chance(0.1) ? 0 : (next[partition] ?? 0);
      next[partition] = await fetchOnce(connection, { partition, offset }, seen);
    }
  }

  #highestAcknowledged(partition: number): number {
    let highest = -1;
    for (const { batches } of this.producers) {
      for (const batch of batches) if (batch.partition === partition) highest = Math.max(highest, batch.baseOffset);
    }
    return highest;
  }
}

/** Every promise of the write path, against what is in the log at the end. */
function checkLog(scenario: Scenario, log: readonly SeenPartition[]): void {
  const known = new Set<string>();
  for (const producer of scenario.producers) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const values = log[partition]?.values ?? [];
      const sent = producer.batches.filter((batch) => batch.partition === partition);
      checkProducer(sent, values);
      for (const batch of sent) for (const value of batch.values) known.add(value);
    }
  }
  for (const { values } of log) {
    expect(new Set(values).size, "no record twice").toBe(values.length);
    for (const value of values) expect(known.has(value ?? "")).toBe(true);
  }
  for (const [partition, seen] of scenario.seen.entries()) {
    for (const [offset, value] of seen.values.entries()) {
      if (value !== undefined) expect(log[partition]?.values[offset], "what was shown stays").toBe(value);
    }
  }
}

/** The batches that one producer sent to one partition, in their order, and that partition's values. */
function checkProducer(sent: readonly SentBatch[], values: readonly (string | undefined)[]): void {
  const offsets = new Map(values.map((value, offset) => [value, offset]));
  let lastAcknowledged = -1;
  for (const batch of sent) {
    const found = batch.values.map((value) => offsets.get(value));
    if (batch.fate === "refused") expect(found.every((offset) => offset === undefined)).toBe(true);
    if (batch.fate !== "acknowledged") continue;
    expect(found).toEqual(batch.values.map((_, index) => batch.baseOffset + index));
    expect(batch.baseOffset, "in the order of sending").toBeGreaterThan(lastAcknowledged);
    lastAcknowledged = batch.baseOffset;
  }
}

describe("brokers that come and go over faulty journals and stores", () => {
  test.each(SEEDS)("lose, double and reorder nothing that was acknowledged (seed %i)", async (seed) => {
    const scenario = new Scenario(seed);
    await scenario.world.run(scenario.run());
    const log = await scenario.world.run(scenario.readAll());
    checkLog(scenario, log);
    const fates = scenario.producers.flatMap(({ batches }) => batches.map(({ fate }) => fate));
    expect(fates.filter((fate) => fate === "acknowledged").length).toBeGreaterThan(fates.length / 2);
    expect(scenario.world.errors, `seed ${seed}`).toEqual([]);
  });
});
