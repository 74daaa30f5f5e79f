import { sleep } from "../clients/support/processes.ts";

/** Milliseconds since 1970 that never jump, as the Java programs count them. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

const POLL_MS = 20;

/** How long to wait, and how long between two looks. */
export interface Patience {
  readonly limitMs: number;
  readonly pollMs?: number;
}

/** Something did not come about in time. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/**
 * Resolves with the moment in which `missing` no longer names anything. Fails with `LateError`, which tells what was
 * missing last.
 */
export async function untilNothingIsMissing(
  what: string,
  { limitMs, pollMs = POLL_MS }: Patience,
  missing: () => string | undefined | Promise<string | undefined>,
): Promise<number> {
  const endMs = nowMs() + limitMs;
  for (;;) {
    const last = await missing();
    if (last === undefined) return nowMs();
    if (nowMs() > endMs) throw new LateError(`${what}: not after ${limitMs / 1_000} s: ${last}`);
    await sleep(pollMs);
  }
}
