import { setFlagsFromString } from "node:v8";
import { LockFileError } from "#lib/adapters/local/process-lock.ts";
import { createPinoLogger } from "#lib/adapters/node/pino-logger.ts";
import { BrokerConfigError } from "#lib/cluster/broker-configs.ts";
import { formatHostPort } from "#lib/config/host-port.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import { ListenError } from "#lib/gateway/listen-error.ts";
import { CorruptRecordError, DivergenceError } from "#lib/journal/journal-errors.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { type EmbeddedBroker, startEmbeddedBroker } from "./embedded-broker.ts";

/**
 * Record batches come and go as memory beside a heap of some 30 MB. By default V8 collects the whole heap again when both
 * together have grown by a fraction of that, a hundred times for each gigabyte produced; this lets them grow to twice
 * what was left after the last collection (docs/PERFORMANCE.md).
 */
const HEAP_FLAGS = "--heap-growing-percent=100";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Runs a broker until SIGTERM or SIGINT; exits 0 then, 1 if it cannot start, 2 if it was told something wrong. */
export async function serve(settings: ServeSettings): Promise<void> {
  setFlagsFromString(HEAP_FLAGS);
  const logger = createPinoLogger({ level: settings.logLevel, fields: { broker: settings.brokerId } });
  // Listened to from the start: a signal during the start stops the broker as soon as it runs.
  const stopRequested = new Promise<string>((resolve) => {
    // The listeners stay: a second signal during the drain changes nothing.
    for (const signal of STOP_SIGNALS) process.on(signal, () => resolve(signal));
  });
  logger.info("starting", { dataDir: settings.dataDir });
  let broker: EmbeddedBroker;
  try {
    broker = await startEmbeddedBroker(settings, logger);
  } catch (error) {
    process.stderr.write(`millrace: cannot start: ${describeError(error)}${remedyFor(error, settings)}\n`);
    process.exit(error instanceof BrokerConfigError ? 2 : 1);
  }
  process.stdout.write(`ready kafka=${broker.listeners.map(formatHostPort).join(",")}\n`);
  logger.info("stopping", { signal: await stopRequested, drainMsMax: settings.drainMs });
  await broker.stop();
  logger.info("stopped");
  process.exit(0);
}

function remedyFor(error: unknown, { dataDir }: ServeSettings): string {
  if (error instanceof ListenError)
    return "\nmillrace: choose another address with --kafka HOST:PORT, or stop what has this one";
  if (error instanceof LockFileError) return `\nmillrace: check that ${dataDir} may be written by this user`;
  if (!(error instanceof CorruptRecordError || error instanceof DivergenceError)) return "";
  return `\nmillrace: to see all that is damaged run: millrace doctor --data-dir ${dataDir}; then restore the directory from a backup`;
}
