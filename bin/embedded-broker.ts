import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDataDirectory } from "#lib/adapters/local/data-directory.ts";
import { ProcessLock } from "#lib/adapters/local/process-lock.ts";
import { readPageMemory } from "#lib/adapters/local/read-page-memory.ts";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import { startBroker } from "#lib/gateway/start-broker.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { EMBEDDED_UPLOADS_IN_FLIGHT_MAX, JOURNAL_POLL_MS, STORE_CLOSE_MS_MAX } from "#lib/util/limits.ts";
import { JOURNAL_FILE } from "./data-dir.ts";
import { checkJournalIsThere, openEmbeddedStores } from "./embedded-stores.ts";
import { keepConfigs } from "./kept-configs.ts";
import { meteredPorts } from "./metered-ports.ts";
import { startConfigs } from "./start-configs.ts";
import { type ServedBroker, servedBroker, startSettings } from "./start-settings.ts";

/** A broker on one machine: journals in SQLite, stores in directories, which it may share with other brokers. */
export async function startEmbeddedBroker(settings: ServeSettings, logger: Logger): Promise<ServedBroker> {
  // Checked before anything is made or locked.
  const configs = startConfigs(settings);
  // Disposed of in reverse order, also when one of the later steps fails.
  await using opened = new AsyncDisposableStack();
  makeDataDirectory(settings.dataDir);
  opened.use(ProcessLock.acquire(settings.dataDir, settings.brokerId));
  const clock = new SystemClock();
  const random = new SystemRandom();
  await checkJournalIsThere(settings.dataDir);
  const journal = await SqliteJournal.open({ path: join(settings.dataDir, JOURNAL_FILE), clock, logger });
  opened.defer(() => journal.close());
  const { dataDir, brokerId } = settings;
  const signal = new AbortController().signal;
  const embedded = await openEmbeddedStores({
    dataDir,
    owner: `broker-${brokerId}`,
    storeCount: settings.storeCount,
    brokerId,
    journal,
    clock,
    random,
    logger,
    signal,
  });
  // A disk that hangs must not hold up the end.
  opened.defer(() =>
    Promise.race([embedded[Symbol.asyncDispose](), sleep(STORE_CLOSE_MS_MAX, undefined, { ref: false })]),
  );
  // Not before all that is here has proved to be ours.
  keepConfigs({ dataDir, brokerId, configs: settings.brokerConfigs }, logger);
  const broker = await startBroker(
    {
      ...meteredPorts({ journal, stores: embedded.stores, clock }),
      ...{ random, logger, newReadMemory: readPageMemory() },
      isProvenDead: (id) => ProcessLock.isFree(dataDir, id),
    },
    startSettings(settings, {
      configs,
      uploadsInFlightMax: EMBEDDED_UPLOADS_IN_FLIGHT_MAX,
      journalPollMs: JOURNAL_POLL_MS,
      // Whoever had the lock before is dead.
      replacesDead: true,
    }),
  );
  opened.defer(() => broker.stop());
  return servedBroker(broker, opened.move());
}
