import { setTimeout as sleep } from "node:timers/promises";

const PAUSE_MS = 50;
const LIMIT_MS = 45_000;

/** What `look` answers once that is as wanted. Fails with the last answer if it takes longer than `limitMs`. */
export async function eventually<T>(
  look: () => Promise<T> | T,
  isWanted: (found: T) => boolean,
  limitMs = LIMIT_MS,
): Promise<T> {
  const began = performance.now();
  for (;;) {
    const found = await look();
    if (isWanted(found)) return found;
    if (performance.now() - began > limitMs) throw new Error(`still ${JSON.stringify(found)} after ${limitMs} ms`);
    await sleep(PAUSE_MS);
  }
}
