import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Broker } from "../../test/clients/support/broker.ts";
import { run } from "../../test/clients/support/processes.ts";
import { ROOT } from "../../test/clients/support/provision.ts";
import { newTopic } from "../kafka/client.ts";
import { consumerPerformance } from "../kafka/consumer-performance.ts";
import { KAFKA, quick } from "../kafka/contestants.ts";
import { alternate } from "../kafka/group.ts";
import { producePerformance } from "../kafka/producer-performance.ts";
import { KIBIBYTE, MEGABYTE } from "../kafka/sizes.ts";
import { dropCaches, endedChildrenCpuSeconds, syncDisks } from "../support/machine.ts";
import { type Measured, percentile, rounded } from "../support/statistics.ts";
import type { SegmentRows, SegmentsContext } from "./context.ts";
import { type Metrics, startOurs } from "./ours.ts";
import { randomFetchMs } from "./random-fetches.ts";

const COMPACTOR_TIMEOUT_MS = 30 * 60_000;
/** A broker hears of what another process has done within a minute (docs/GUARANTEES.md). */
const NEWS_MS_MAX = 70_000;

const COMPACTOR = "compactor, in a process of its own";
const COMPACTOR_WALL = "compactor, in a process of its own: by the clock";
const FETCH = "random fetch of 1 MiB, caches dropped";
const OBJECT_READS = `object reads: ${FETCH}`;
const JOURNAL_READS = `journal reads: ${FETCH}`;
const CATCH_UP = "catch-up read by ConsumerPerformance, caches dropped";

const OBJECT_READS_MAX = 2;
const JOURNAL_READS_MAX = 1;

interface Side {
  readonly name: "ours" | "kafka";
  readonly broker: Broker;
  readonly topic: string;
  readonly records: number;
  readonly metrics: (() => Promise<Metrics>) | undefined;
}

/** One partition that is much larger than every cache of ours: made into segments, then read here and there, and through. */
export const logGroup: SegmentRows = {
  rows: [COMPACTOR, COMPACTOR_WALL, OBJECT_READS, JOURNAL_READS, `${FETCH}, p50`, `${FETCH}, p99`, CATCH_UP],
  async measure(context) {
    const { scratch, isSmall } = context;
    const { broker, metrics } = await startOurs("none", context);
    const kafka = await scratch.start(isSmall ? quick(KAFKA) : KAFKA);
    const ours: Side = { name: "ours", broker, metrics, ...(await fill("ours", broker, context)) };
    const reference: Side = {
      name: "kafka",
      broker: kafka,
      metrics: undefined,
      ...(await fill("kafka", kafka, context)),
    };
    const measured = [...(await compact(ours, context))];
    const sides = [ours, reference];
    if (context.wants(FETCH)) measured.push(...(await fetchAtRandom(sides, context)));
    if (context.wants(CATCH_UP)) measured.push(await catchUp(sides, context));
    return measured;
  },
};

async function fill(name: string, broker: Broker, { sizes, isSmall, say }: SegmentsContext) {
  const topic = await newTopic(broker, 1);
  const records = Math.round(sizes.logBytes / KIBIBYTE);
  // The tool wants a warm-up; here it is a part of the log like the rest.
  const warmUpRecords = Math.round(records / 10);
  const load = { topic, recordBytes: KIBIBYTE, throughput: -1, lingerMs: 5, isSmall };
  const all = { ...load, records: records - warmUpRecords, warmUpRecords };
  const { totalSeconds } = await producePerformance(broker.address, all);
  say(`${name}: filled with ${rounded(sizes.logBytes / 1e9)} GB in ${rounded(totalSeconds)} s`);
  return { topic, records };
}

/** Once: what is compacted cannot be compacted again. The broker runs beside it and does nothing. */
async function compact({ broker }: Side, { sizes, isSmall, say }: SegmentsContext): Promise<readonly Measured[]> {
  await dropCaches();
  const before = endedChildrenCpuSeconds();
  const beganMs = performance.now();
  const args = [
    join(ROOT, "bin/millrace.ts"),
    "run",
    "compactor",
    "--now",
    "--data-dir",
    join(broker.directory, "data"),
  ];
  const ended = await run(process.execPath, args, { timeoutMs: COMPACTOR_TIMEOUT_MS });
  if (ended.code !== 0) throw new Error(`the compactor (${ended.code}): ${ended.stderr}`);
  const seconds = (performance.now() - beganMs) / 1_000;
  const cpu = endedChildrenCpuSeconds() - before;
  const megabytes = sizes.logBytes / MEGABYTE;
  say(`${COMPACTOR}: ${ended.stdout.trim()}, ${rounded(seconds)} s, ${rounded(cpu)} CPU s`);
  // Until it has heard of the segments the broker reads what they were made of.
  if (!isSmall) await setTimeout(NEWS_MS_MAX);
  const rate = { better: "higher", reference: [] } as const;
  return [
    { ...rate, name: COMPACTOR, unit: "MB/CPU s", ours: [megabytes / cpu] },
    { ...rate, name: COMPACTOR_WALL, unit: "MB/s", ours: [megabytes / seconds] },
  ];
}

async function fetchAtRandom(sides: readonly Side[], context: SegmentsContext): Promise<readonly Measured[]> {
  const samples = { ours: [] as (readonly number[])[], kafka: [] as (readonly number[])[] };
  const objectReads: number[] = [];
  const journalReads: number[] = [];
  const { randomFetches: fetches } = context.sizes;
  await alternate(sides, context, {
    measure: async ({ broker, metrics, ...from }) => {
      await dropCaches();
      const before = await metrics?.();
      const ms = await randomFetchMs(broker, { ...from, fetches });
      const after = await metrics?.();
      return { ms, before, after };
    },
    keep: ({ name }, { ms, before, after }) => {
      samples[name].push(ms);
      context.say(`${FETCH}: ${name} p50 ${rounded(percentile(ms, 0.5))} ms, p99 ${rounded(percentile(ms, 0.99))} ms`);
      if (before === undefined || after === undefined) return;
      const each = (counter: string): number => (after.sum(counter) - before.sum(counter)) / fetches;
      objectReads.push(each("millrace_object_reads_total"));
      journalReads.push(each("millrace_journal_reads_total"));
    },
  });
  const of = (share: number) => ({
    unit: "ms",
    better: "lower" as const,
    ours: samples.ours.map((ms) => percentile(ms, share)),
    reference: samples.kafka.map((ms) => percentile(ms, share)),
  });
  const reads = { unit: "reads/fetch", better: "lower" } as const;
  return [
    { ...reads, name: OBJECT_READS, ours: objectReads, reference: [OBJECT_READS_MAX] },
    { ...reads, name: JOURNAL_READS, ours: journalReads, reference: [JOURNAL_READS_MAX] },
    { name: `${FETCH}, p50`, ...of(0.5) },
    { name: `${FETCH}, p99`, ...of(0.99) },
  ];
}

let groupsMade = 0;

async function catchUp(sides: readonly Side[], context: SegmentsContext): Promise<Measured> {
  const rates = { ours: [] as number[], kafka: [] as number[] };
  const { isSmall, say } = context;
  await alternate(sides, context, {
    measure: async ({ broker, topic, records }) => {
      groupsMade += 1;
      await syncDisks();
      await dropCaches();
      const load = { topic, groupId: `catch-up-${groupsMade}`, protocol: "classic", records, isSmall } as const;
      const { bytes, fetchSeconds } = await consumerPerformance(broker.address, load);
      return bytes / MEGABYTE / fetchSeconds;
    },
    keep: ({ name }, rate) => {
      rates[name].push(rate);
      say(`${CATCH_UP}: ${name} ${rounded(rate)} MB/s`);
    },
  });
  return { name: CATCH_UP, unit: "MB/s", better: "higher", ours: rates.ours, reference: rates.kafka };
}
