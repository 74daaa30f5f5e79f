import { LockedError, ProcessLock } from "#lib/adapters/local/process-lock.ts";
import { readPageMemory } from "#lib/adapters/local/read-page-memory.ts";
import { assembleBroker, type Broker } from "#lib/broker/assemble-broker.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import { JOURNAL_POLL_MS, RUNS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { CommandFailure } from "./cli/usage-error.ts";
import { openEmbeddedStores } from "./embedded-stores.ts";
import { keptConfigs } from "./kept-configs.ts";
import { openJournalFile } from "./open-journal-file.ts";

/** Small: what a command reads, it reads once. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;

export interface DataDirBroker {
  readonly broker: Broker;
  readonly stores: StoreSet;
}

/**
 * A broker without doors on a data directory, for a command that runs beside its brokers or without any. It registers
 * nowhere, leads nothing and does only what it is told. Whoever disposes of `opened` stops it.
 */
export async function openDataDirBroker(
  dataDir: string,
  logger: Logger,
  opened: AsyncDisposableStack,
): Promise<DataDirBroker> {
  const shared = { ...(await openJournalFile(dataDir, opened)), logger };
  const { signal } = new AbortController();
  const slot = opened.use(acquireSlot(dataDir));
  const embedded = opened.use(await openEmbeddedStores({ ...shared, dataDir, owner: slot.owner, signal }));
  const broker = await assembleBroker(
    { ...shared, stores: embedded.stores, newReadMemory: readPageMemory() },
    {
      identity: { brokerId: 0, rack: null },
      startConfigs: keptConfigs(dataDir),
      append: DEFAULT_APPEND_SETTINGS,
      tailCacheBytesMax: CACHE_BYTES_MAX,
      blockCacheBytesMax: CACHE_BYTES_MAX,
      journalPollMs: JOURNAL_POLL_MS,
      isOnDemand: true,
      looksAfterAll: true,
    },
  );
  opened.defer(() => broker.stop(AbortSignal.abort()));
  return { broker, stores: embedded.stores };
}

/** A name of our own for unfinished files, which the next one to have it cleans up. */
function acquireSlot(dataDir: string): Disposable & { readonly owner: string } {
  for (let slot = 0; slot < RUNS_AT_ONCE_MAX; slot++) {
    try {
      const lock = ProcessLock.acquire(dataDir, slot, "run");
      return { owner: `run-${slot}`, [Symbol.dispose]: () => lock[Symbol.dispose]() };
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
    }
  }
  throw new CommandFailure(`${RUNS_AT_ONCE_MAX} commands work on ${dataDir} already: wait for one of them to end`);
}
