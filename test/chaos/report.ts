import type { Delivery } from "./delivery.ts";
import { FAULT_KINDS } from "./plan.ts";
import type { RoundResult } from "./round.ts";

const FAULT_HEADINGS = ["what failed", "rounds", "writes again after", "longest pause", "whole again after"];
const DELIVERY_COLUMNS = ["acked", "read", "lost", "duplicated", "reordered", "misplaced", "garbled", "gaps"] as const;
const WORKER_ENDS = ["done", "killed", "undone", "failed"] as const;
const NAMES = {
  broker: "a broker, by kill -9",
  store: "a store",
  both: "a broker while a store is away",
  all: "all brokers at once",
  worker: "nothing: a worker is run",
  halfway: "a worker, by kill -9",
  pair: "one of two workers, by kill -9",
  outage: "a store while a worker is run",
} as const;

/** The rounds by kind of fault: medians and, behind the bar, the worst. */
export function faultTable(results: readonly RoundResult[]): string {
  const rows = FAULT_KINDS.flatMap((kind) => {
    const rounds = results.filter((result) => result.kind === kind);
    return rounds.length === 0 ? [] : [faultRow(NAMES[kind], rounds)];
  });
  return formatRows([FAULT_HEADINGS, ...rows, faultRow("together", results)]);
}

function faultRow(name: string, rounds: readonly RoundResult[]): readonly string[] {
  return [
    name,
    String(rounds.length),
    range(rounds.map(({ writesAfterMs }) => writesAfterMs)),
    range(rounds.map(({ longestPauseMs }) => longestPauseMs)),
    range(rounds.map(({ wholeAfterMs }) => wholeAfterMs)),
  ];
}

/** The workers that were run by hand, by name: how many, how they ended, and what those changed that could say so. */
export function workerTable(results: readonly Pick<RoundResult, "workers">[]): string {
  const all = results.flatMap(({ workers }) => workers);
  const rows = [...new Set(all.map(({ name }) => name))].sort().map((name) => {
    const runs = all.filter((worker) => worker.name === name);
    const counts = WORKER_ENDS.map((end) => runs.filter((worker) => worker.end === end).length);
    const changes = runs.reduce((sum, worker) => sum + worker.changes, 0);
    return [name, ...[runs.length, ...counts, changes].map(String)];
  });
  return formatRows([["run by hand", "runs", ...WORKER_ENDS, "changes"], ...rows]);
}

/** What each reader saw, beside what was acknowledged. */
export function deliveryTable(deliveries: ReadonlyMap<string, Delivery>): string {
  const rows = [...deliveries].map(([reader, delivery]) => [
    reader,
    ...DELIVERY_COLUMNS.map((column) => delivery[column].toLocaleString("en")),
  ]);
  return formatRows([["reader", ...DELIVERY_COLUMNS], ...rows]);
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

function range(samples: readonly number[]): string {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  const worst = sorted.at(-1);
  return middle === undefined || worst === undefined ? "-" : `${seconds(middle)} | ${seconds(worst)}`;
}

/** The first column is text, the others are figures. */
function formatRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
  return lines.join("\n");
}
