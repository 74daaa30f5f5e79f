import { runWorker } from "./run-worker.ts";

/** Keeps the last record of each key in topics with `cleanup.policy=compact`. */
export const handler = runWorker("cleaner");
