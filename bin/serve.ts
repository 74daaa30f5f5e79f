import { setFlagsFromString } from "node:v8";
import { LockFileError } from "#lib/adapters/local/process-lock.ts";
import { createPinoLogger } from "#lib/adapters/node/pino-logger.ts";
import { BrokerConfigError } from "#lib/cluster/broker-configs.ts";
import { formatHostPort } from "#lib/config/host-port.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import { ListenError } from "#lib/gateway/listen-error.ts";
import { CorruptRecordError, DivergenceError } from "#lib/journal/journal-errors.ts";
import { describeError, type LogFields, type Logger } from "#lib/runtime/logger.ts";
import type { ServedBroker } from "./start-settings.ts";

/**
 * Record batches come and go as memory beside a heap of some 30 MB. By default V8 collects the whole heap again when both
 * together have grown by a fraction of that, a hundred times for each gigabyte produced; and it begins as soon as what is
 * left of its limit is less than the space for new objects, which with small requests is always: once a second, each
 * time as long as twenty acknowledgements take. This lets them grow to four times what was left after the last
 * collection (docs/PERFORMANCE.md).
 */
const HEAP_FLAGS = "--heap-growing-percent=300";

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
  logger.info("starting", whereabouts(settings));
  let broker: ServedBroker;
  try {
    broker = await start(settings, logger);
  } catch (error) {
    process.stderr.write(`millrace: cannot start: ${describeError(error)}${remedyFor(error, settings)}\n`);
    process.exit(error instanceof BrokerConfigError ? 2 : 1);
  }
  process.stdout.write(`${readyLine(broker)}\n`);
  logger.info("stopping", { signal: await stopRequested, drainMsMax: settings.drainMs });
  await broker.stop();
  logger.info("stopped");
  process.exit(0);
}

/** Loads the code of the one that is asked for: the AWS SDK takes longer than all the rest of a start. */
async function start(settings: ServeSettings, logger: Logger): Promise<ServedBroker> {
  if (settings.aws === undefined) return (await import("./embedded-broker.ts")).startEmbeddedBroker(settings, logger);
  return (await import("./aws-broker.ts")).startAwsBroker(settings, settings.aws, logger);
}

function readyLine({ listeners, http }: ServedBroker): string {
  const doors = [`kafka=${listeners.map(formatHostPort).join(",")}`];
  if (http !== undefined) doors.push(`http=${formatHostPort(http)}`);
  return `ready ${doors.join(" ")}`;
}

function whereabouts({ aws, dataDir }: ServeSettings): LogFields {
  if (aws === undefined) return { dataDir };
  return { stores: aws.stores.map(({ bucket }) => bucket).join(","), table: aws.journal.table };
}

function remedyFor(error: unknown, { aws, dataDir }: ServeSettings): string {
  if (error instanceof ListenError) {
    const orNone = error.door === "http" ? ", do without with --http off" : "";
    return `\nmillrace: choose another address with --${error.door} HOST:PORT${orNone}, or stop what has this one`;
  }
  if (error instanceof LockFileError) return `\nmillrace: check that ${dataDir} may be written by this user`;
  if (aws === undefined && isMkdirFailure(error)) {
    return `\nmillrace: name another with --data-dir, or let this user make or write the directory ${dataDir}`;
  }
  if (!(error instanceof CorruptRecordError || error instanceof DivergenceError)) return "";
  if (aws !== undefined) return "\nmillrace: restore the table to a time before the damage (point-in-time recovery)";
  return `\nmillrace: to see all that is damaged run: millrace doctor --data-dir ${dataDir}; then restore the directory from a backup`;
}

function isMkdirFailure(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "mkdir";
}
