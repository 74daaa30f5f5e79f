import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "./cli/usage-error.ts";
import { JOURNAL_FILE } from "./data-dir.ts";

const WHAT_TO_NAME = "name the --data-dir of your broker; npm start uses ./data";

/** Fails with `UsageError` where no broker has kept its data: a mistyped path is told before anything is made or read. */
export function checkDataDir(dataDir: string): void {
  if (!existsSync(dataDir)) throw new UsageError(`${dataDir} does not exist: ${WHAT_TO_NAME}`);
  if (existsSync(join(dataDir, JOURNAL_FILE))) return;
  throw new UsageError(`${dataDir} is no data directory (it has no ${JOURNAL_FILE}): ${WHAT_TO_NAME}`);
}
