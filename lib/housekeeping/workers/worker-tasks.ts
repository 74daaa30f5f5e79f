import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { WORKER_CHANGES, WORKER_RUN_SECONDS, WORKER_RUNS, workerIdleSeconds } from "#lib/runtime/metrics.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import { LogError } from "#lib/util/errors.ts";
import { WORKER_PAUSE_DIVISOR } from "#lib/util/limits.ts";
import type { Worker, WorkerName, WorkerRun } from "./worker.ts";

/** Somebody asks for a worker that this process does not have. */
export class UnknownWorkerError extends LogError {
  override readonly name = "UnknownWorkerError";
  override readonly kind = "invalid";
}

export interface WorkerPeriod {
  readonly periodMs: number;
  /** While runs find nothing each pause is twice the one before, up to this. Default: `periodMs`. */
  readonly idlePeriodMsMax?: number;
}

export interface WorkerTasksPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry?: Telemetry | undefined;
}

/** How each worker is made. Some take memory as soon as they are, so they are made when they are first to run. */
export type WorkerMakers = ReadonlyMap<WorkerName, () => Worker>;

/** Runs workers, one by one when somebody asks or each on its own period, and tells how they fare. */
export class WorkerTasks {
  readonly #makers: WorkerMakers;
  readonly #made = new Map<WorkerName, Worker>();
  /** The last run of each worker; settles when it has ended, whichever way. */
  readonly #lastRuns = new Map<WorkerName, Promise<unknown>>();
  readonly #ports: WorkerTasksPorts;

  constructor(makers: WorkerMakers, ports: WorkerTasksPorts) {
    this.#makers = makers;
    this.#ports = ports;
  }

  /**
   * Answers as the worker does. Fails as it does, and with `UnknownWorkerError`. Runs of one worker come one after the other,
   * whoever asks for them: what it keeps in memory, as the cleaner its map of keys, is of one run.
   */
  async runOnce(name: WorkerName, run: WorkerRun): Promise<number> {
    const worker = this.#worker(name);
    const before = this.#lastRuns.get(name);
    const running = before === undefined ? this.#run(worker, run) : before.then(() => this.#run(worker, run));
    this.#lastRuns.set(
      name,
      running.catch(() => {}),
    );
    return await running;
  }

  async #run(worker: Worker, run: WorkerRun): Promise<number> {
    const { clock, telemetry } = this.#ports;
    const { name } = worker;
    run.signal.throwIfAborted();
    const beganAtMs = clock.monotonicMs();
    let result = "failed";
    try {
      const changeCount = await worker.runOnce(run);
      result = changeCount > 0 ? "changed" : "nothing";
      telemetry?.count(WORKER_CHANGES, changeCount, { worker: name });
      return changeCount;
    } finally {
      telemetry?.count(WORKER_RUNS, 1, { worker: name, result });
      telemetry?.observe(WORKER_RUN_SECONDS, (clock.monotonicMs() - beganAtMs) / 1_000, { worker: name });
    }
  }

  /** Runs each of these on its period until `signal` aborts; resolves then. */
  async run(periods: ReadonlyMap<WorkerName, WorkerPeriod>, signal: AbortSignal): Promise<void> {
    await Promise.all([...periods].map(([name, period]) => this.#runByPeriod(name, period, signal)));
  }

  /** The first run comes after a random part of the period, for brokers start together. */
  async #runByPeriod(name: WorkerName, { periodMs, idlePeriodMsMax = periodMs }: WorkerPeriod, signal: AbortSignal) {
    const { clock, random, logger, telemetry } = this.#ports;
    this.#worker(name);
    let endedWellAtMs = clock.monotonicMs();
    telemetry?.gauge(workerIdleSeconds(name), () => (clock.monotonicMs() - endedWellAtMs) / 1_000);
    let pauseMs = periodMs;
    let waitMs = random.below(periodMs);
    while (!signal.aborted) {
      try {
        await clock.sleep(waitMs, signal);
        const beganAtMs = clock.monotonicMs();
        const changeCount = await this.runOnce(name, { isForced: false, signal });
        endedWellAtMs = clock.monotonicMs();
        // A long run that was of use leaves more to do, and has taken its pause in advance.
        const tookMs = endedWellAtMs - beganAtMs;
        pauseMs = changeCount > 0 ? periodMs : Math.min(2 * pauseMs, idlePeriodMsMax);
        waitMs = changeCount > 0 ? Math.max(periodMs - tookMs, periodMs / WORKER_PAUSE_DIVISOR) : pauseMs;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("a worker has failed; it will run again", { worker: name, error: describeError(error) });
        pauseMs = periodMs;
        waitMs = periodMs;
      }
    }
  }

  #worker(name: WorkerName): Worker {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const make = this.#makers.get(name);
    if (make === undefined) throw new UnknownWorkerError(`there is no ${name} in this process`);
    const made = make();
    this.#made.set(name, made);
    return made;
  }
}
