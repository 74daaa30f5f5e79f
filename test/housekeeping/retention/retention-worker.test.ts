import { expect, test } from "vitest";
import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { RetentionWorker } from "#lib/housekeeping/retention/retention-worker.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { type LogFields, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { type LogProcess, LogWorld, NEVER, topicOf } from "../../log/append-harness.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const HOUR_MS = 3_600_000;
const KEEP = { isDeleted: true, retentionMs: HOUR_MS, retentionBytes: -1 };

interface Options {
  readonly journalFaults?: JournalFaultPlan;
  readonly leads?: () => boolean;
  /** The worker's own. */
  readonly clock?: ManualClock;
}

/** A process that appends, and another one that enforces retention; what topics keep is in `settings`. */
class RetentionWorld extends LogWorld {
  readonly writer: LogProcess = this.process();
  readonly settings = new Map<TopicId, { isDeleted: boolean; retentionMs: number; retentionBytes: number }>();
  refreshCount = 0;
  onRefresh: () => void = () => {};

  topic(n: number, settings: Partial<typeof KEEP> = {}): TopicPlacement {
    const topic = this.addTopic(topicOf(n));
    this.settings.set(topic.topicId, { ...KEEP, ...settings });
    return topic;
  }

  /** One record; its time is the present one. */
  async append(topic: TopicPlacement, partitionIndex = 0, timestampMs = this.clock.nowMs()): Promise<void> {
    const record = { timestampMs, key: null, value: Buffer.from("x"), headers: [] };
    const bytes = buildBatch([record], { partitionLeaderEpoch: 0 });
    const append = { topic, partitionIndex, header: readBatchHeader(bytes), bytes };
    const [answer] = await this.run(this.writer.append([append]));
    expect(answer?.kind).toBe("appended");
  }

  enforcer({ journalFaults, leads = () => true, clock = this.clock }: Options = {}) {
    const log: { readonly message: string; readonly fields: LogFields }[] = [];
    const worker = new RetentionWorker({
      journals: this.journals(journalFaults, 900),
      leads,
      cluster: {
        settings: (topicId) => this.settings.get(topicId),
        brokerInteger: (name) => (name === "log.retention.check.interval.ms" ? 300_000 : Number.NaN),
        refresh: async () => {
          this.refreshCount++;
          this.onRefresh();
        },
      },
      clock,
      logger: { ...SILENT_LOGGER, warn: (message, fields = {}) => void log.push({ message, fields }) },
    });
    const run = (isForced = false) => this.run(worker.runOnce({ isForced, signal: NEVER }));
    return { worker, run, log };
  }

  /** Where the log of a partition begins and ends, by a strong read. */
  async range(topic: TopicPlacement, partitionIndex = 0): Promise<readonly [number, number]> {
    const journal = await this.run(this.writer.journals.journal(partitionIndex % 2, NEVER));
    await this.run(journal.readBarrier(NEVER));
    const { logStartOffset, logEndOffset } = this.writer.partition(topic, partitionIndex);
    return [logStartOffset, logEndOffset];
  }

  recordCount(): number {
    return [0, 1].reduce((sum, n) => sum + this.journalService.recordsOf(logJournalId(n)).length, 0);
  }
}

test("records go when their time is over, and the last one too", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  await world.append(topic);
  await world.clock.advance(HOUR_MS / 2);
  await world.append(topic);
  const { run } = world.enforcer();
  expect(await run(true)).toBe(0);
  await world.clock.advance(HOUR_MS / 2 + 1);
  expect(await run(true)).toBe(1);
  expect(await world.range(topic)).toEqual([1, 2]);
  await world.clock.advance(HOUR_MS);
  expect(await run(true)).toBe(1);
  expect(await world.range(topic)).toEqual([2, 2]);
  expect(await run(true)).toBe(0);
  await world.append(topic);
  expect(await world.range(topic)).toEqual([2, 3]);
});

test("what a topic with another clean-up policy has stays, and so does what a topic has that is gone", async () => {
  const world = new RetentionWorld();
  const compacted = world.topic(1, { isDeleted: false, retentionBytes: 0 });
  const gone = world.topic(2);
  await world.append(compacted);
  await world.append(gone);
  world.settings.delete(gone.topicId);
  await world.clock.advance(2 * HOUR_MS);
  expect(await world.enforcer().run(true)).toBe(0);
  expect(await world.range(compacted)).toEqual([0, 1]);
  expect(await world.range(gone)).toEqual([0, 1]);
});

test("a clock of the host that is a year fast deletes nothing", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  await world.append(topic);
  const fast = new ManualClock(world.clock.nowMs() + 365 * 24 * HOUR_MS);
  expect(await world.enforcer({ clock: fast }).run(true)).toBe(0);
  expect(await world.range(topic)).toEqual([0, 1]);
});

test("the partitions of one journal travel in one record, and DeleteRecords' log starts stay", async () => {
  const world = new RetentionWorld();
  const topics = [1, 2, 3].map((n) => world.topic(n));
  for (const topic of topics) for (const partitionIndex of [0, 2]) await world.append(topic, partitionIndex);
  const first = defined(topics[0]);
  const journal = await world.run(world.writer.journals.journal(0, NEVER));
  const { topicId } = first;
  const command = { kind: "advance-log-start", topicId, partitionIndex: 0, logStartOffset: 1 } as const;
  await world.run(journal.propose(command, { lane: "test", signal: NEVER }));
  await world.clock.advance(HOUR_MS + 1);
  const before = world.recordCount();
  expect(await world.enforcer().run()).toBe(5);
  expect(world.recordCount()).toBe(before + 1);
  expect(await world.range(first)).toEqual([1, 1]);
});

test("a limit that has just been raised counts", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  await world.append(topic);
  await world.clock.advance(2 * HOUR_MS);
  world.onRefresh = () => world.settings.set(topic.topicId, { ...KEEP, retentionMs: -1 });
  expect(await world.enforcer().run()).toBe(0);
  expect(await world.range(topic)).toEqual([0, 1]);
  expect(world.refreshCount).toBe(1);
});

test("it rests for the interval of the config, and by hand it does not", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  const { run } = world.enforcer();
  expect(await run()).toBe(0);
  await world.append(topic, 0, 1);
  expect(await run()).toBe(0);
  await world.clock.advance(299_000);
  expect(await run()).toBe(0);
  await world.clock.advance(1_001);
  expect(await run()).toBe(1);
  await world.append(topic, 0, 1);
  expect(await run()).toBe(0);
  expect(await run(true)).toBe(1);
  expect(world.refreshCount).toBe(2);
});

test("a journal that does not answer is left for the next run, and the others go on", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  await world.append(topic, 0);
  await world.append(topic, 1);
  await world.clock.advance(2 * HOUR_MS);
  let isAway = true;
  const journalFaults: JournalFaultPlan = {
    next: ({ method, journal }) =>
      isAway && method === "append" && journal === logJournalId(0) ? { kind: "failure" } : undefined,
  };
  const { run, log } = world.enforcer({ journalFaults });
  expect(await run()).toBe(1);
  expect(log).toMatchObject([{ message: "retention is not enforced in a journal", fields: { journal: 0 } }]);
  isAway = false;
  expect(await run()).toBe(1);
  expect(await world.range(topic, 0)).toEqual([1, 1]);
  expect(await world.range(topic, 1)).toEqual([1, 1]);
});

test("journals that another process looks after are left to it", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  await world.append(topic);
  await world.clock.advance(2 * HOUR_MS);
  expect(await world.enforcer({ leads: () => false }).run(true)).toBe(0);
  expect(await world.range(topic)).toEqual([0, 1]);
});

test("two at once change nothing twice", async () => {
  const world = new RetentionWorld();
  const topic = world.topic(1);
  await world.append(topic);
  await world.clock.advance(HOUR_MS / 2);
  await world.append(topic);
  await world.clock.advance(HOUR_MS / 2 + 1);
  const workers = [world.enforcer(), world.enforcer()].map(({ worker }) => worker);
  await world.run(Promise.all(workers.map((worker) => worker.runOnce({ isForced: false, signal: NEVER }))));
  expect(await world.range(topic)).toEqual([1, 2]);
});
