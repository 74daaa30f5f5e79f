import type { Context, ScheduledEvent } from "aws-lambda";
import type { Broker } from "#lib/broker/assemble-broker.ts";
import { type BackOffOptions, BackOffSchedule, type ScheduledRun } from "#lib/housekeeping/back-off-schedule.ts";
import type { WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { clock, newRuntime } from "./runtime.ts";

/** What a scheduled call may bring; `force` (from a person's hand) runs the work whether it is due or not. */
export type ScheduledCall = Partial<Pick<ScheduledEvent, "time">> & { readonly force?: boolean };

/** Nobody waits for a scheduled call, so the last copy of a snapshot gets time. */
const LATE_COPY_MS_MAX = 5_000;
/** Time to answer in, before the service ends the call. */
const RESERVE_MS = 2_000;

/**
 * A function that a schedule calls. Most calls find that nothing is due and ask nobody anything (docs/DEPLOY.md says what
 * an idle hour costs). A run that fails is logged and fails the call, so that the alarm sees it.
 */
export function runOnSchedule(
  name: string,
  options: BackOffOptions,
  work: (broker: Broker, run: WorkerRun) => Promise<number>,
): (call: ScheduledCall, context: Context) => Promise<ScheduledRun> {
  const runtime = newRuntime(name);
  let schedule = new BackOffSchedule(clock, options);
  return async (call, context) => {
    clock.thaw();
    const beganAtMs = clock.monotonicMs();
    const isForced = call.force === true;
    if (isForced) schedule = new BackOffSchedule(clock, options);
    const signal = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MS));
    try {
      const run = await schedule.run(async () => {
        const { broker } = await runtime.started(signal);
        const found = await work(broker, { isForced, signal });
        await broker.chores.settle(Math.min(LATE_COPY_MS_MAX, context.getRemainingTimeInMillis() / 2));
        return found;
      });
      const isChange = run.kind === "ran" && run.found > 0;
      if (isChange)
        runtime.logger.info("scheduled run", { found: run.found, tookMs: Math.round(clock.monotonicMs() - beganAtMs) });
      else runtime.logger.debug("scheduled call", { kind: run.kind, nextInMs: run.nextInMs });
      return run;
    } catch (error) {
      runtime.logger.error("scheduled run failed", { error: describeError(error) });
      throw error;
    } finally {
      clock.rest();
    }
  };
}
