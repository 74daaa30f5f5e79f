import { runOnSchedule } from "./run-on-schedule.ts";

/**
 * Takes snapshots, trims journals, goes on with what another process began and did not end, and brings buckets what they
 * lack of the journals that no broker leads.
 */
export const handler = runOnSchedule("housekeeper", {}, async ({ chores, services }, { signal }) => {
  const movedCount = await chores.tendJournals(signal);
  const changedCount = await chores.replicate(signal);
  // A bucket that is away, or not whole yet, is looked after at each call of the schedule.
  const isBehind = services.replication.stores().some(({ isSuspect, owedObjects }) => isSuspect || owedObjects > 0);
  return movedCount + changedCount + Number(isBehind);
});
