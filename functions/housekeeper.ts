import { runOnSchedule } from "./run-on-schedule.ts";

/** Takes snapshots, trims journals, and goes on with what another process began and did not end. */
export const handler = runOnSchedule("housekeeper", ({ chores }, signal) => chores.tendJournals(signal));
