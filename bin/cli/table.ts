/** Columns side by side, two blanks between; numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = header.map((name, column) =>
    rows.reduce((width, row) => Math.max(width, String(row[column] ?? "").length), name.length),
  );
  const isNumeric = header.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumeric[column] === true ? String(cell).padStart(width) : String(cell).padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [header, ...rows].map((cells) => `${line(cells)}\n`).join("");
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** Decimal units, three digits: `1.23 MB`. */
export function formatBytes(byteLength: number): string {
  let value = byteLength;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** A time as ISO 8601; `-` for none. */
export function formatTime(timestampMs: number): string {
  const isDate = timestampMs >= 0 && timestampMs <= 8.64e15;
  return isDate ? new Date(timestampMs).toISOString() : "-";
}

/** A length of time in its two largest units: `4.2s`, `3m12s`, `6d23h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds * 10) / 10}s`;
  const whole = Math.floor(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d${two(Math.floor((whole % 86_400) / 3600))}h`;
}
