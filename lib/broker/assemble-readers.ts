import { RecordDeletions } from "#lib/log/delete-records.ts";
import { PartitionDescriptions } from "#lib/log/describe-partitions.ts";
import { JournalInlineReader } from "#lib/log/entry-inline-reader.ts";
import { EntryReader } from "#lib/log/entry-reader.ts";
import { ByteBudget } from "#lib/log/fetch-budget.ts";
import { observeFolds } from "#lib/log/fetch-observer.ts";
import { PartitionAccess } from "#lib/log/fetch-partitions.ts";
import { FetchPath } from "#lib/log/fetch-path.ts";
import { FetchWaiters } from "#lib/log/fetch-waiters.ts";
import { OffsetSearch } from "#lib/log/list-offsets.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { PartitionDirectory } from "#lib/log/partition-directory.ts";
import { SegmentReader } from "#lib/log/segment-reader.ts";
import { TailCache } from "#lib/log/tail-cache.ts";
import type { LostCopy } from "#lib/storage/copy-reader.ts";
import { RangeReader } from "#lib/storage/range-reader.ts";
import { READ_BYTES_IN_FLIGHT_MAX } from "#lib/util/limits.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { BrokerPorts } from "./open-journals.ts";

export interface Readers {
  readonly services: Pick<BrokerServices, "fetcher" | "offsets" | "describer" | "deleter">;
  /** Where the append path leaves what it wrote. */
  readonly recent: TailCache;
  dispose(): void;
}

/** The half of a broker that finds what is there: tail cache before block cache before stores. */
export function assembleReaders(
  ports: BrokerPorts & {
    readonly journals: LogJournals;
    readonly directory: PartitionDirectory;
    readonly onCopyLost?: (lost: LostCopy) => void;
  },
  settings: {
    readonly tailCacheBytesMax: number;
    readonly blockCacheBytesMax: number;
    readonly journalPollMs: number;
    /** The process may be frozen when it has answered: nothing is to be under way then. */
    readonly isOnDemand?: boolean;
  },
): Readers {
  const tailCache = new TailCache(settings.tailCacheBytesMax);
  const waiters = new FetchWaiters();
  const objects = new RangeReader({ ...ports, cacheBytesMax: settings.blockCacheBytesMax });
  const stopObserving = observeFolds({ journals: ports.journals, waiters, recentBytes: tailCache });
  const access = new PartitionAccess(ports);
  const budget = new ByteBudget(READ_BYTES_IN_FLIGHT_MAX);
  const inlined = new JournalInlineReader({ ...ports, tailCache });
  const entries = new EntryReader({ tailCache, objects, inlined });
  const segments = new SegmentReader(objects);
  const readAheadBytes = settings.isOnDemand === true ? 0 : settings.blockCacheBytesMax / 2;
  const fetcher = new FetchPath(
    { ...ports, access, waiters, entries, segments, budget, readAheadBytes },
    { journalPollMs: settings.journalPollMs },
  );
  return {
    services: {
      fetcher,
      offsets: new OffsetSearch({ access, entries, segments, budget }),
      describer: new PartitionDescriptions(access),
      deleter: new RecordDeletions({ ...ports, access }),
    },
    recent: tailCache,
    dispose() {
      fetcher[Symbol.dispose]();
      stopObserving();
      objects[Symbol.dispose]();
    },
  };
}
