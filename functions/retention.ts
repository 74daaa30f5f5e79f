import { runWorker } from "./run-worker.ts";

/** Moves log starts past what `retention.ms` and `retention.bytes` let go, and expires producers that have gone silent. */
export const handler = runWorker("retention", async ({ chores }, run) => {
  const movedCount = await chores.work("retention", run);
  return movedCount + (await chores.expireProducers(run));
});
