import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDataDirectory } from "#lib/adapters/local/data-directory.ts";
import { ProcessLock } from "#lib/adapters/local/process-lock.ts";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import type { HostPort } from "#lib/config/host-port.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import { startBroker } from "#lib/gateway/start-broker.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { EMBEDDED_UPLOADS_IN_FLIGHT_MAX, JOURNAL_POLL_MS, STORE_CLOSE_MS_MAX } from "#lib/util/limits.ts";
import { JOURNAL_FILE } from "./data-dir.ts";
import { EMBEDDED_STORE_ID, openEmbeddedStore } from "./embedded-stores.ts";
import { startConfigs } from "./start-configs.ts";

export interface EmbeddedBroker {
  /** Where it listens, in the settings' order. */
  readonly listeners: readonly HostPort[];
  /** Answers what is under way, for `drainMs` at most, and closes everything. */
  stop(): Promise<void>;
}

/** A broker on one machine: journals in SQLite, stores in directories, one process. */
export async function startEmbeddedBroker(settings: ServeSettings, logger: Logger): Promise<EmbeddedBroker> {
  // Checked before anything is made or locked.
  const configs = startConfigs(settings);
  // Disposed of in reverse order, also when one of the later steps fails.
  await using opened = new AsyncDisposableStack();
  makeDataDirectory(settings.dataDir);
  opened.use(ProcessLock.acquire(settings.dataDir, settings.brokerId));
  const clock = new SystemClock();
  const random = new SystemRandom();
  const journal = await SqliteJournal.open({ path: join(settings.dataDir, JOURNAL_FILE), clock, logger });
  opened.defer(() => journal.close());
  const { dataDir, brokerId } = settings;
  const signal = new AbortController().signal;
  const store = await openEmbeddedStore({ dataDir, brokerId, journal, clock, random, logger, signal });
  // A disk that hangs must not hold up the end.
  opened.defer(() =>
    Promise.race([store[Symbol.asyncDispose](), sleep(STORE_CLOSE_MS_MAX, undefined, { ref: false })]),
  );
  const stores = new StoreSet(new Map([[EMBEDDED_STORE_ID, store]]));
  const broker = await startBroker(
    { journal, stores, clock, random, logger },
    {
      identity: { brokerId: settings.brokerId, rack: settings.rack ?? null },
      startConfigs: configs,
      append: {
        ...DEFAULT_APPEND_SETTINGS,
        lingerMs: settings.lingerMs,
        inlineBytesMax: settings.inlineBytesMax,
        uploadsInFlightMax: EMBEDDED_UPLOADS_IN_FLIGHT_MAX,
      },
      tailCacheBytesMax: settings.tailCacheBytesMax,
      blockCacheBytesMax: settings.blockCacheBytesMax,
      journalPollMs: JOURNAL_POLL_MS,
      listeners: settings.listeners,
      drainMs: settings.drainMs,
    },
  );
  opened.defer(() => broker.stop());
  const running = opened.move();
  return { listeners: broker.listeners, stop: () => running.disposeAsync() };
}
