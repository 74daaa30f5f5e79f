import type { MainJobResult } from "./main-job.ts";

export function printTable(result: MainJobResult): void {
  const number = (value: number): string => value.toLocaleString("en");
  const heading = ["producer", "read with", "sent", "read", "lost", "duplicated", "reordered", "astray", "gaps"];
  const rows = result.comparisons.map(({ producer, reader, difference }) => {
    const { records, lost, duplicated, reordered, astray, gaps } = difference;
    return [producer, reader, ...[result.sent, records, lost, duplicated, reordered, astray, gaps].map(number)];
  });
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  console.log(`\n${[heading, ...rows].map(line).join("\n")}\n`);
  for (const [producer, batches] of result.batches) {
    const counts = [...batches].map(([codec, count]) => `${codec} ${number(count)}`).join(", ");
    console.log(`batches stored by ${producer}: ${counts}`);
  }
  console.log(`kill -9 while both producers ran: ${result.kills}`);
}
