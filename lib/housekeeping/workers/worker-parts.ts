import type { TopicSettings } from "#lib/cluster/topic-settings.ts";
import type { Journal } from "#lib/journal/journal.ts";
import { JournalInlineReader } from "#lib/log/entry-inline-reader.ts";
import { EntryReader } from "#lib/log/entry-reader.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { SegmentReader } from "#lib/log/segment-reader.ts";
import { TailCache } from "#lib/log/tail-cache.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { LostCopy } from "#lib/storage/copy-reader.ts";
import { RangeReader } from "#lib/storage/range-reader.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { COMPACTION_INLINE_BYTES_MAX, COMPACTION_READ_BYTES_MAX } from "#lib/util/limits.ts";

/** What the workers need to know of the cluster (`ClusterView` has it). */
export interface WorkerCluster {
  topic(topicId: TopicId): { readonly name: string; readonly settings: TopicSettings } | undefined;
}

/** What the workers that rewrite records are made of. */
export interface WorkerParts {
  readonly journals: LogJournals;
  /** Whether this process looks after a journal. */
  readonly leads: (state: LogState) => boolean;
  readonly cluster: WorkerCluster;
  readonly writer: ReplicatedWriter;
  readonly stores: StoreSet;
  /** Stores that fail are not waited for while others are enough. */
  readonly health?: StoreHealth | undefined;
  /** Of the workers alone: what they read passes once, and must not drive out what fetches need. */
  readonly objects: RangeReader;
  readonly entries: EntryReader;
  readonly segments: SegmentReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface WorkerReaderPorts {
  readonly journal: Journal;
  readonly stores: StoreSet;
  readonly newReadMemory?: ((byteLength: number) => Uint8Array) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health?: StoreHealth | undefined;
  readonly onCopyLost?: ((lost: LostCopy) => void) | undefined;
  /** The one of the fetch path: what is there need not be read. */
  readonly tailCache: TailCache;
}

/** Readers with small caches of their own. Dispose of `objects` when the process stops. */
export function newWorkerReaders(ports: WorkerReaderPorts): Pick<WorkerParts, "objects" | "entries" | "segments"> {
  // Whoever compacts knows what it will read: blocks ahead of it would be of other partitions.
  const objects = new RangeReader({ ...ports, cacheBytesMax: COMPACTION_READ_BYTES_MAX, readAheadBytes: 0 });
  const { tailCache } = ports;
  const segments = new SegmentReader(objects, { readAheadBytes: 0 });
  // Pages of the journal are old when a worker reads them: in the shared cache they would drive out what tail readers want.
  const pages = new TailCache(COMPACTION_INLINE_BYTES_MAX);
  const inlined = new JournalInlineReader({ ...ports, tailCache: pages });
  return { objects, segments, entries: new EntryReader({ tailCache, inlinedCache: pages, objects, inlined }) };
}
