import { runWorker } from "./run-worker.ts";

/** Makes log segments of what producers have written, and gathers what is scattered over journals and small objects. */
export const handler = runWorker("compactor");
