import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BrokerConfigError, parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { CommandFailure } from "./cli/usage-error.ts";
import { START_CONFIGS_FILE } from "./data-dir.ts";

// What a topic does not set, the configs of its brokers decide: how long records are kept, among others. So a command that
// works on a data directory by itself goes by those of the broker that was started there last.

/** Writes down the configs that a broker is started with. A disk that is full or away keeps no broker from starting. */
export function keepConfigs({ dataDir, brokerId, configs }: Kept, logger: Logger): void {
  const path = join(dataDir, START_CONFIGS_FILE);
  const text = `${JSON.stringify(Object.fromEntries([...configs].sort(([a], [b]) => (a < b ? -1 : 1))), undefined, 2)}\n`;
  try {
    if (readIfThere(path) === text) return;
    // Brokers that start together have a name each for the unfinished file.
    const unfinished = `${path}.${brokerId}~`;
    writeFileSync(unfinished, text, { mode: 0o600 });
    renameSync(unfinished, path);
  } catch (error) {
    const what = "millrace run will go by the configs of an earlier start";
    logger.warn(`the broker configs are not written down: ${what}`, { path, error: describeError(error) });
  }
}

interface Kept {
  readonly dataDir: string;
  readonly brokerId: number;
  /** As they were given. */
  readonly configs: ReadonlyMap<string, string>;
}

/** Those of the last start; none where there was none. Fails with `CommandFailure` if the file is damaged. */
export function keptConfigs(dataDir: string): ReadonlyMap<string, string> {
  const path = join(dataDir, START_CONFIGS_FILE);
  const text = readIfThere(path);
  if (text === undefined) return new Map();
  try {
    return parseBrokerConfigs(entriesOf(JSON.parse(text)));
  } catch (error) {
    const what = `${path} does not hold broker configs (${describeError(error)})`;
    throw new CommandFailure(`${what}: start a broker on ${dataDir}, which writes it again`, { cause: error });
  }
}

function entriesOf(parsed: unknown): readonly (readonly [name: string, value: string])[] {
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new BrokerConfigError("no object");
  return Object.entries(parsed).map(([name, value]: [string, unknown]) => {
    if (typeof value !== "string") throw new BrokerConfigError(`${name} has no string for its value`);
    return [name, value] as const;
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
