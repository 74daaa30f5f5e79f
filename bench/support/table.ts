import { type Measured, rounded, rowOf } from "./statistics.ts";

const HEADINGS = ["row", "unit", "ours", "reference", "ratio", "better", "ours min..max", "reference min..max"];
/** The first two columns are text, the others figures. */
const TEXT_COLUMNS = 2;

/** For people: a line a row, medians and ranges. */
export function formatTable(measured: readonly Measured[]): string {
  const lines = [HEADINGS, ...measured.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines.map((cells) => `${alignCells(cells, widths)}\n`).join("");
}

function cellsOf(measured: Measured): readonly string[] {
  const { name, unit, ours, reference, ratio } = rowOf(measured);
  const figures = [ours, reference, ratio].map((value) => (value === null ? "-" : String(value)));
  return [name, unit, ...figures, measured.better, rangeOf(measured.ours), rangeOf(measured.reference)];
}

function rangeOf(samples: readonly number[]): string {
  if (samples.length < 2) return "-";
  return `${rounded(Math.min(...samples))}..${rounded(Math.max(...samples))}`;
}

function alignCells(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) => {
    const width = widths[column] ?? 0;
    return column < TEXT_COLUMNS ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join("  ").trimEnd();
}

/** For programs: `[{name, unit, ours, reference, ratio}]`; reference and ratio are null where there is none. */
export function formatJson(measured: readonly Measured[]): string {
  return `${JSON.stringify(measured.map(rowOf), undefined, 2)}\n`;
}
