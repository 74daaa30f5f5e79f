import { expect, test } from "vitest";
import { Metrics } from "../../bench/segments/ours.ts";
import { checkDisk } from "../../bench/segments/scratch.ts";

test("the series of a counter are added up, and those of other names left out", () => {
  const metrics = new Metrics(
    [
      "# HELP millrace_object_reads_total Reads from stores.",
      'millrace_object_reads_total{kind="wal"} 3',
      'millrace_object_reads_total{kind="segments"} 4',
      'millrace_object_reads_total_of_others{kind="wal"} 100',
      "millrace_journal_reads_total 5",
      "",
    ].join("\n"),
  );
  expect(metrics.sum("millrace_object_reads_total")).toBe(7);
  expect(metrics.sum("millrace_object_reads_total", 'kind="wal"')).toBe(3);
  expect(metrics.sum("millrace_journal_reads_total")).toBe(5);
  expect(metrics.sum("millrace_absent_total")).toBe(0);
});

test("a disk that is too small is said at the start, with what would help", () => {
  expect(() => checkDisk(1e18)).toThrow(/GB free, and these rows need 1000000000\.0 GB: set TMPDIR .* --gb/);
  expect(() => checkDisk(0)).not.toThrow();
});
