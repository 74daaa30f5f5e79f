import { createPinoLogger } from "#lib/adapters/node/pino-logger.ts";
import { BrokerConfigError } from "#lib/cluster/broker-configs.ts";
import type { RawSettings, ServeSettings } from "#lib/config/serve-settings.ts";
import { defined } from "#lib/util/assert.ts";
import { startConfigs } from "./start-configs.ts";
import { Supervisor } from "./supervisor.ts";

/**
 * Runs several brokers over one data directory, each in a process of its own, until SIGTERM or SIGINT; exits 0 then, else
 * as the first broker that cannot be started. `given`: the settings as they were given.
 */
export async function supervise(settings: ServeSettings, given: RawSettings): Promise<void> {
  const logger = createPinoLogger({ level: settings.logLevel, fields: { supervisor: process.pid } });
  try {
    startConfigs(settings);
  } catch (error) {
    if (!(error instanceof BrokerConfigError)) throw error;
    process.stderr.write(`millrace: cannot start: ${error.message}\n`);
    process.exit(2);
  }
  const supervisor = new Supervisor({
    settings,
    given,
    brokerCount: defined(settings.brokerCount, "the number of brokers"),
    logger,
    onReady: (line) => process.stdout.write(`${line}\n`),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    // The listeners stay: a second signal changes nothing.
    process.on(signal, () => {
      logger.info("stopping", { signal });
      supervisor.stop();
    });
  }
  logger.info("starting", { brokers: settings.brokerCount, dataDir: settings.dataDir });
  const status = await supervisor.run();
  logger.info("stopped");
  process.exit(status);
}
