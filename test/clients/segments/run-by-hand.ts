import { equal } from "node:assert/strict";
import { join } from "node:path";
import { lastLines, run } from "../support/processes.ts";
import { ROOT } from "../support/provision.ts";
import type { ReadRecord } from "../support/reader.ts";

const RUN_TIMEOUT_MS = 5 * 60_000;

/** What the CLI prints to stdout; a status other than 0 is an error. */
export async function millrace(...args: readonly string[]): Promise<string> {
  const finished = await run(process.execPath, [join(ROOT, "bin/millrace.ts"), ...args], { timeoutMs: RUN_TIMEOUT_MS });
  equal(finished.code, 0, `millrace ${args.join(" ")}: ${lastLines(finished.stdout + finished.stderr)}`);
  return finished.stdout;
}

/** What docs/readers/read_topic.py prints of the records of one partition, if they are ASCII. */
export function scriptLines(records: readonly ReadRecord[], partition: number): readonly string[] {
  return records.map(({ offset, timestampMs, key, value, headers }) => {
    const fields = { partition, offset, timestamp: timestampMs, key, value, headers };
    const pairs = Object.entries(fields).map(([name, field]) => `"${name}": ${JSON.stringify(field)}`);
    return `{${pairs.join(", ")}}`;
  });
}
