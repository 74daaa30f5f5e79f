import { setTimeout } from "node:timers/promises";
import { MEGABYTE } from "../kafka/sizes.ts";
import type { Metrics } from "./ours.ts";

const LOOK_MS = 1_000;

/** What was not in segments yet when it was looked at. */
export interface Backlog {
  readonly producedBytes: number;
  readonly bytes: number;
}

/** Runs `work`, and looks every second how far the compactor is behind it; the last look comes at its end. */
export async function watchBacklog<T>(
  metrics: () => Promise<Metrics>,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly looks: readonly Backlog[] }> {
  const looks: Backlog[] = [];
  const ended = new AbortController();
  const look = async (): Promise<void> => {
    const figures = await metrics();
    const producedBytes = figures.sum("millrace_produced_bytes_total");
    looks.push({ producedBytes, bytes: producedBytes - figures.sum("millrace_segment_bytes_written_total") });
  };
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await look();
      await setTimeout(LOOK_MS, undefined, { signal: ended.signal }).catch(() => {});
    }
  };
  const watching = watch();
  try {
    const result = await work();
    await look();
    return { result, looks };
  } finally {
    ended.abort();
    await watching;
  }
}

/** How long producing has taken, at the rate given, what is not in segments yet: at three quarters of it and at its end. */
export function secondsBehind(
  looks: readonly Backlog[],
  rate: number,
): { readonly before: number; readonly end: number } {
  const last = looks.at(-1);
  const before = looks.find(({ producedBytes }) => producedBytes >= 0.75 * (last?.producedBytes ?? 0));
  const seconds = (look: Backlog | undefined): number => (look?.bytes ?? Number.NaN) / MEGABYTE / rate;
  return { before: seconds(before), end: seconds(last) };
}
