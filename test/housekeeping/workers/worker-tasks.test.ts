import { expect, test } from "vitest";
import type { Worker, WorkerName, WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import { UnknownWorkerError, WorkerTasks } from "#lib/housekeeping/workers/worker-tasks.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { CounterMetric, GaugeMetric, Telemetry } from "#lib/runtime/telemetry.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const never = new AbortController().signal;
const MINUTE_MS = 60_000;

/** What each run of a worker comes to; the last one for good. */
class Scripted implements Worker {
  readonly name: WorkerName;
  readonly runsAtMs: number[] = [];
  readonly #clock: ManualClock;
  readonly #results: (number | Error)[];
  /** How long each run takes. */
  tookMs = 10;

  constructor(name: WorkerName, clock: ManualClock, results: readonly (number | Error)[]) {
    this.name = name;
    this.#clock = clock;
    this.#results = [...results];
  }

  async runOnce({ signal }: WorkerRun): Promise<number> {
    this.runsAtMs.push(this.#clock.monotonicMs());
    await this.#clock.sleep(this.tookMs, signal);
    const result = this.#results.length > 1 ? this.#results.shift() : this.#results[0];
    if (result instanceof Error) throw result;
    return result ?? 0;
  }

  /** Between the beginnings of runs, in minutes. */
  get pauses(): readonly number[] {
    return this.runsAtMs.slice(1).map((atMs, at) => Math.round((atMs - (this.runsAtMs[at] ?? 0)) / MINUTE_MS));
  }
}

class Figures implements Telemetry {
  readonly counts = new Map<string, number>();
  readonly gauges = new Map<string, () => number>();

  count({ name }: CounterMetric, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const key = [name, ...Object.values(labels)].join(" ");
    this.counts.set(key, (this.counts.get(key) ?? 0) + value);
  }

  observe(): void {}

  gauge({ name }: GaugeMetric, read: () => number): void {
    this.gauges.set(name, read);
  }
}

function tasksOf(...workers: Scripted[]) {
  const clock = new ManualClock();
  const figures = new Figures();
  const made: string[] = [];
  const makers = new Map(
    workers.map((worker) => [
      worker.name,
      () => {
        made.push(worker.name);
        return worker;
      },
    ]),
  );
  const ports = { clock, random: new SeededRandom(1), logger: SILENT_LOGGER, telemetry: figures };
  return { tasks: new WorkerTasks(makers, ports), figures, made };
}

test("a worker is made when it is first asked for, and one that is not there is an error of the asker", async () => {
  const clock = new ManualClock();
  const { tasks, made } = tasksOf(new Scripted("retention", clock, [3]));
  expect(made).toEqual([]);
  for (let n = 0; n < 2; n++) {
    expect(await clock.run(tasks.runOnce("retention", { isForced: true, signal: never }))).toBe(3);
  }
  expect(made).toEqual(["retention"]);
  await expect(tasks.runOnce("cleaner", { isForced: true, signal: never })).rejects.toThrow(UnknownWorkerError);
});

test("runs of one worker come one after the other, whoever asks and however they end; other workers do not wait", async () => {
  const clock = new ManualClock();
  const cleaner = new Scripted("cleaner", clock, [new Error("away"), 4]);
  const compactor = new Scripted("compactor", clock, [1]);
  const { tasks } = tasksOf(cleaner, compactor);
  const run = { isForced: false, signal: never };
  const runs = (["cleaner", "cleaner", "compactor", "cleaner"] as const).map((name) => tasks.runOnce(name, run));
  const results = await clock.run(Promise.allSettled(runs));
  expect(results.map((each) => (each.status === "fulfilled" ? each.value : "failed"))).toEqual(["failed", 4, 1, 4]);
  expect(cleaner.runsAtMs.map((atMs, at) => atMs - (cleaner.runsAtMs[at - 1] ?? atMs))).toEqual([0, 10, 10]);
  expect(compactor.runsAtMs).toEqual(cleaner.runsAtMs.slice(0, 1));
});

function running(results: readonly (number | Error)[], idlePeriodMsMax?: number) {
  const clock = new ManualClock();
  const figures = new Figures();
  const worker = new Scripted("garbage", clock, results);
  const ports = { clock, random: new SeededRandom(1), logger: SILENT_LOGGER, telemetry: figures };
  const tasks = new WorkerTasks(new Map([[worker.name, () => worker]]), ports);
  const stop = new AbortController();
  const period = { periodMs: 15 * MINUTE_MS, ...(idlePeriodMsMax === undefined ? {} : { idlePeriodMsMax }) };
  const ended = tasks.run(new Map([[worker.name, period]]), stop.signal);
  return { clock, figures, worker, stop, ended };
}

test("a worker runs once a period, whatever it finds", async () => {
  const { clock, worker } = running([5, 0, 0]);
  await clock.advance(75 * MINUTE_MS);
  expect(worker.pauses).toEqual([15, 15, 15, 15]);
});

test("a run that was of use and took long is followed by the next one when its period is over, after a moment at least", async () => {
  for (const [minutes, pauses] of [
    [5, [15, 15, 15, 20]],
    [20, [21, 21, 21, 35]],
  ] as const) {
    const { clock, worker } = running([3, 1, 2, 0]);
    worker.tookMs = minutes * MINUTE_MS;
    await clock.advance(135 * MINUTE_MS);
    expect(worker.pauses.slice(0, 4)).toEqual(pauses);
  }
});

test("one that finds nothing comes ever less often, up to its longest period, until it finds something", async () => {
  const { clock, worker } = running([0, 0, 0, 0, 1, 0], 60 * MINUTE_MS);
  await clock.advance(5 * 60 * MINUTE_MS);
  expect(worker.pauses).toEqual([30, 60, 60, 60, 15, 30]);
});

test("one that fails is run again, and counted as failed", async () => {
  const { clock, worker, figures } = running([new Error("away"), 2, 0], 60 * MINUTE_MS);
  await clock.advance(20 * MINUTE_MS);
  expect(figures.gauges.get("millrace_garbage_idle_seconds")?.()).toBeGreaterThan(15 * 60);
  await clock.advance(25 * MINUTE_MS);
  expect(worker.pauses).toEqual([15, 15]);
  expect(Object.fromEntries(figures.counts)).toEqual({
    "millrace_worker_runs_total garbage failed": 1,
    "millrace_worker_runs_total garbage changed": 1,
    "millrace_worker_runs_total garbage nothing": 1,
    "millrace_worker_changes_total garbage": 2,
  });
  expect(figures.gauges.get("millrace_garbage_idle_seconds")?.()).toBeLessThan(15 * 60);
});

test("the end of the process ends a run under way, and all waiting", async () => {
  const { clock, worker, stop, ended } = running([1]);
  await clock.advance(15 * MINUTE_MS);
  const count = worker.runsAtMs.length;
  stop.abort();
  await clock.run(ended);
  expect(worker.runsAtMs.length).toBe(count);
  expect(clock.timerCount).toBe(0);
});
