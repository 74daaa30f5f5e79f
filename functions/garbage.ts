import { runWorker } from "./run-worker.ts";

/** Deletes objects that nothing refers to, once all journals have refused to refer to them. */
export const handler = runWorker("garbage");
