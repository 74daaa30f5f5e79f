import type { Context } from "aws-lambda";
import type { Broker } from "#lib/broker/assemble-broker.ts";
import type { ScheduledRun } from "#lib/housekeeping/back-off-schedule.ts";
import type { WorkerName, WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import { WORKER_SCHEDULE_MS_MAX } from "#lib/util/limits.ts";
import { runOnSchedule, type ScheduledCall } from "./run-on-schedule.ts";

/**
 * A worker on the journals that no running broker looks after: run after run until nothing is left or the call's time is
 * over, which is no failure, for the next call goes on from there. A call by hand that says `force` does not wait for
 * ages, sizes and schedules.
 */
export function runWorker(
  name: WorkerName,
  work: (broker: Broker, run: WorkerRun) => Promise<number> = ({ chores }, run) => chores.work(name, run),
): (call: ScheduledCall, context: Context) => Promise<ScheduledRun> {
  const options = { periodMsMax: WORKER_SCHEDULE_MS_MAX };
  return runOnSchedule(name, options, async (broker, run) => {
    let changeCount = 0;
    for (;;) {
      try {
        const count = await work(broker, run);
        if (count === 0) return changeCount;
        changeCount += count;
      } catch (error) {
        if (!run.signal.aborted) throw error;
        return Math.max(1, changeCount);
      }
    }
  });
}
