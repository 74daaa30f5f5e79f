import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { Elector } from "#lib/cluster/elector.ts";
import type { JournalHousekeeper } from "#lib/housekeeping/journal-housekeeper.ts";
import type { Replication } from "#lib/housekeeping/replication/replication.ts";
import type { WorkerName, WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import type { WorkerTasks } from "#lib/housekeeping/workers/worker-tasks.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { Groups } from "./assemble-groups.ts";
import type { BrokerServices } from "./broker-services.ts";

/** What has to be done now and then: by the broker itself where it runs all the time, else by a schedule. */
export interface BrokerChores {
  /**
   * Folds what journals have gained, by eventually consistent reads: those that this process has opened, which is the
   * first step of one that was frozen; or that of the cluster alone, where keys and settings change while a process is
   * busy. A journal that cannot be read is left to whoever needs it. Rejects only if aborted.
   */
  catchUp(which: "opened" | "cluster", signal: AbortSignal): Promise<void>;
  /** Waits until copies that no answer needed have come or were given up, for `msMax` at most. Never rejects. */
  settle(msMax: number): Promise<void>;
  /**
   * Snapshots, trims, and what an earlier process began and did not end; and where the last broker has stopped nobody is
   * named as leader any more. Answers how many journals have moved.
   */
  tendJournals(signal: AbortSignal): Promise<number>;
  /**
   * Makes replicas whole and keeps the ISR of the journals that no running broker leads. Answers how many copies and
   * changes that took.
   */
  replicate(signal: AbortSignal): Promise<number>;
  /** Expires members and offsets of groups. Answers how many offsets went and how many groups have more to expire. */
  expire(signal: AbortSignal): Promise<number>;
  /** Expires producers of the log journals that this process looks after. Answers of how many partitions. */
  expireProducers(run: WorkerRun): Promise<number>;
  /**
   * One run of a worker on the journals that this process looks after, as they are now: 0 if there was nothing to do.
   * Rejects as the worker does, and with `UnknownWorkerError`.
   */
  work(name: WorkerName, run: WorkerRun): Promise<number>;
}

export function newBrokerChores(parts: {
  readonly cluster: ClusterJournal;
  readonly groups: Groups;
  readonly housekeeper: JournalHousekeeper;
  readonly services: BrokerServices;
  readonly writer: ReplicatedWriter;
  readonly replication: Replication;
  readonly elector: Elector;
  readonly workers: WorkerTasks;
}): BrokerChores {
  const { cluster, groups, housekeeper, services, writer, replication, elector, workers } = parts;
  const { journals } = services;
  const chores: BrokerChores = {
    async catchUp(which, signal) {
      const opened = which === "cluster" ? [] : [...journals.allOpened(), ...groups.journals.allOpened()];
      await Promise.allSettled([cluster, ...opened].map((journal) => journal.catchUp(signal)));
      signal.throwIfAborted();
    },
    async settle(msMax) {
      using limit = timeLimit(services.clock, msMax);
      await abortable(writer.drain(), limit.signal).catch(() => undefined);
    },
    async tendJournals(signal) {
      await Promise.all([journals.openAll(signal), groups.journals.openAll(signal)]);
      const movedCount = await housekeeper.tendMoved(signal);
      if (movedCount > 0) await finishInterrupted(services, signal);
      await elector.electNobody(signal);
      return movedCount;
    },
    replicate: (signal) => replication.runOnce(signal),
    async expire(signal) {
      const watchedCount = await groups.coordinator.expireOverdue(signal);
      return watchedCount + (await groups.offsetExpirer.expireAll(signal));
    },
    expireProducers: (run) => workers.runOnce("expirer", run),
    async work(name, run) {
      const { signal } = run;
      // Who runs, and so who looks after what. The log journals are the workers' own to catch up with.
      await cluster.catchUp(signal);
      if (name === "replicator") {
        await journals.openAll(signal);
        await chores.catchUp("opened", signal);
        if (run.isForced) replication.listAll();
        return chores.replicate(signal);
      }
      if (name === "expirer") return (await chores.expire(signal)) + (await chores.expireProducers(run));
      return workers.runOnce(name, run);
    },
  };
  return chores;
}

/** Goes on with deletions and alterations that a process began and did not end. Never rejects. */
export async function finishInterrupted({ topicAdmin, logger }: BrokerServices, signal: AbortSignal): Promise<void> {
  try {
    await Promise.all([topicAdmin.resumeDeletions(signal), topicAdmin.resumeSettings(signal)]);
  } catch (error) {
    if (signal.aborted) return;
    logger.warn("what an earlier process began is not finished yet", { error: describeError(error) });
  }
}
