import { runOnSchedule } from "./run-on-schedule.ts";

/** Expires members of groups that have gone silent, and offsets whose retention is over. */
export const handler = runOnSchedule("expirer", {}, ({ chores }, { signal }) => chores.expire(signal));
