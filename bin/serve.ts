import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { saveCompiledCode } from "#lib/adapters/node/compiled-code.ts";
import { createPinoLogger } from "#lib/adapters/node/pino-logger.ts";
import type { StartFailure } from "#lib/config/broker-message.ts";
import { formatHostPort } from "#lib/config/host-port.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import type { LogFields, Logger } from "#lib/runtime/logger.ts";
import { startFailure } from "./start-failure.ts";
import type { ServedBroker } from "./start-settings.ts";
import { SupervisorLink } from "./supervision.ts";

/**
 * Record batches come and go as memory beside a heap of some 30 MB. By default V8 collects the whole heap again when both
 * together have grown by a fraction of that, a hundred times for each gigabyte produced; and it begins as soon as what is
 * left of its limit is less than the space for new objects, which with small requests is always: once a second, each
 * time as long as twenty acknowledgements take. This lets them grow to four times what was left after the last
 * collection (docs/PERFORMANCE.md).
 */
const HEAP_FLAGS = "--heap-growing-percent=300";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

const SETTLED_LOOK_MS_MIN = 50;
const SETTLED_LOOK_MS_MAX = 1_000;

/**
 * Runs a broker until SIGTERM or SIGINT, or until its supervisor is gone; exits 0 then, 1 if it cannot start or another
 * process has its broker id, 2 if it was told something wrong.
 */
export async function serve(settings: ServeSettings): Promise<void> {
  setFlagsFromString(HEAP_FLAGS);
  const logger = createPinoLogger({ level: settings.logLevel, fields: { broker: settings.brokerId } });
  const supervisor = SupervisorLink.find();
  // Listened to from the start: a signal during the start stops the broker as soon as it runs.
  const stopRequested = new Promise<string>((resolve) => {
    // The listeners stay: a second signal during the drain changes nothing.
    for (const signal of STOP_SIGNALS) process.on(signal, () => resolve(signal));
    supervisor?.onGone(() => resolve("supervisor gone"));
  });
  logger.info("starting", whereabouts(settings));
  let broker: ServedBroker;
  try {
    const starting = start(settings, logger);
    // A start may wait for a service that is away. Nothing is acknowledged yet, so it may end anywhere.
    const givenUp = stopRequested.then(() => sleep(settings.drainMs));
    broker = (await Promise.race([starting, givenUp])) ?? endBeforeStart(logger);
  } catch (error) {
    const failure = startFailure(error, settings);
    if (supervisor === undefined) process.stderr.write(`millrace: cannot start: ${failure.text}\n`);
    else await supervisor.tell(failure);
    process.exit(failure.status);
  }
  if (supervisor === undefined) process.stdout.write(`${readyLine(broker)}\n`);
  else {
    supervisor.onBrokerEnded((brokerId) => void broker.fenceDead(brokerId));
    void report(broker, supervisor, logger);
  }
  saveCompiledCode();
  const end = await Promise.race([stopRequested, broker.failed]);
  const failure = typeof end === "string" ? undefined : startFailure(end, settings);
  logger.info("stopping", { signal: typeof end === "string" ? end : undefined, drainMsMax: settings.drainMs });
  if (failure !== undefined) await tellEnd(failure, supervisor);
  await broker.stop();
  logger.info("stopped");
  process.exit(failure?.status ?? 0);
}

function endBeforeStart(logger: Logger): never {
  logger.info("stopped before it had started");
  process.exit(0);
}

async function tellEnd(failure: StartFailure, supervisor: SupervisorLink | undefined): Promise<void> {
  process.stderr.write(`millrace: cannot go on: ${failure.text}\n`);
  await supervisor?.tell(failure);
}

/** Tells the supervisor where the broker listens, and when all brokers are there and lead what they are to lead. */
async function report(broker: ServedBroker, supervisor: SupervisorLink, logger: Logger): Promise<void> {
  await supervisor.tell({ kind: "listening", kafka: [...broker.listeners], http: broker.http });
  logger.info("listening", { kafka: broker.listeners.map(formatHostPort).join(",") });
  let pauseMs = SETTLED_LOOK_MS_MIN;
  while (!(await broker.isSettled(supervisor.brokerCount))) {
    await sleep(pauseMs);
    // Each look reads every journal, and another broker may be unable to start for long.
    pauseMs = Math.min(2 * pauseMs, SETTLED_LOOK_MS_MAX);
  }
  await supervisor.tell({ kind: "settled" });
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
