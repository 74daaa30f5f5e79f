import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import { type LogSegment, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { LEADERS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { segmentFiles } from "#lib/log/segments.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { parseSegmentKey } from "#lib/storage/object-keys.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { COPY_LOOKS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { copyAt } from "./replication/copy-checks.ts";
import { type IndexSuffix, rebuildIndex } from "./replication/rebuild-index.ts";

export interface DoubtfulPartition {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
}

export type LossVerdict =
  /** Every record has a copy, as far as looking for it tells. */
  | { readonly kind: "whole" }
  /** Some had none; the journal says so now, and readers get empty batches in their place. */
  | { readonly kind: "declared"; readonly objectCount: number }
  /** Indexes of segments had none, and were made again from their logs. No record was given up. */
  | { readonly kind: "mended"; readonly fileCount: number }
  /** These stores do not answer, so nobody knows; what had no copy anywhere was declared lost all the same. */
  | { readonly kind: "unknown"; readonly silent: readonly StoreId[] };

type Copy = "found" | "lost" | { readonly silent: readonly StoreId[] };

/** One object that a partition refers to, and the bytes of it that the partition needs, from its beginning. */
interface Needed {
  readonly object: { readonly key: ObjectKey; readonly copies: readonly StoreId[] };
  readonly byteLength: number;
}

interface Looked<T> {
  readonly needed: T;
  readonly copy: Copy;
}

/** An index that can be made again as long as the segment's log is there. */
interface NeededIndex extends Needed {
  readonly segment: LogSegment;
  readonly suffix: IndexSuffix;
}

/**
 * Gives records up of which no copy is left, so that a partition can be read on behind them. An operator asks for that: a
 * store that does not answer may have the copy, and what is declared lost does not come back with it.
 */
export class LostRecords {
  readonly #journals: LogJournals;
  readonly #stores: StoreSet;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(deps: {
    readonly journals: LogJournals;
    readonly stores: StoreSet;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#journals = deps.journals;
    this.#stores = deps.stores;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Costs a request for each object that the partition refers to. Rejects as reads of the journal and proposals do. */
  async declareLost({ topic, partitionIndex }: DoubtfulPartition, signal: AbortSignal): Promise<LossVerdict> {
    const journal = await this.#journals.journal(journalOfPartition(topic, partitionIndex), signal);
    await journal.readBarrier(signal);
    const partition = journal.state.partitions.get(partitionKey(topic.topicId, partitionIndex));
    if (partition === undefined) return { kind: "whole" };
    const { replicas } = journal.state;
    const looks = await this.#lookAll(recordsOf(partition), replicas, signal);
    const lost = looks.filter(({ copy }) => copy === "lost").map(({ needed }) => needed.object.key);
    if (lost.length > 0) await this.#declare(journal, { topic, partitionIndex }, lost, signal);
    // Of what was just given up nothing is missed.
    const indexLooks = await this.#lookAll(indexesOf(partition), replicas, signal);
    const mendedCount = await this.#mendAll(indexLooks, replicas, signal);
    const silent = new Set(
      [...looks, ...indexLooks].flatMap(({ copy }) => (typeof copy === "string" ? [] : copy.silent)),
    );
    if (silent.size > 0) return { kind: "unknown", silent: [...silent].sort((a, b) => a - b) };
    if (lost.length > 0) return { kind: "declared", objectCount: lost.length };
    return mendedCount > 0 ? { kind: "mended", fileCount: mendedCount } : { kind: "whole" };
  }

  #lookAll<T extends Needed>(
    all: readonly T[],
    replicas: readonly StoreId[],
    signal: AbortSignal,
  ): Promise<readonly Looked<T>[]> {
    return mapInChunks(all, COPY_LOOKS_AT_ONCE_MAX, async (needed) => {
      return { needed, copy: await this.#look(needed, replicas, signal) };
    });
  }

  /** One after another: each takes its segment's whole log into memory. */
  async #mendAll(
    looks: readonly Looked<NeededIndex>[],
    replicas: readonly StoreId[],
    signal: AbortSignal,
  ): Promise<number> {
    let count = 0;
    for (const { needed, copy } of looks) {
      if (copy === "lost" && (await this.#mend(needed, replicas, signal))) count++;
    }
    return count;
  }

  async #mend(
    { object: { key, copies }, segment, suffix }: NeededIndex,
    replicas: readonly StoreId[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const stores = this.#stores.readOrder(copies, replicas);
    const read = (id: StoreId, log: ObjectKey) => this.#stores.store(id).get(log, signal);
    const index = await rebuildIndex({ segment, suffix, stores, read, clock: this.#clock }, signal);
    if (typeof index === "string") {
      this.#logger.error("an index of a log segment is lost, and its log cannot be read", { key, log: index });
      return false;
    }
    const targets = copies.filter((id) => this.#stores.has(id)).map((id) => this.#stores.store(id));
    await Promise.all(
      targets.map(async (store) => {
        // What is there has another length, else it would not have been missed.
        await store.deleteAll([key], signal);
        await store.putIfAbsent(key, [index], signal);
      }),
    );
    this.#logger.warn("an index of a log segment was made again from its log", { key });
    return true;
  }

  async #look({ object, byteLength }: Needed, replicas: readonly StoreId[], signal: AbortSignal): Promise<Copy> {
    const silent: StoreId[] = [];
    // A copy that came after its commit may lie in any of the replicas.
    const unconfigured = [...object.copies, ...replicas].filter((storeId) => !this.#stores.has(storeId));
    for (const storeId of new Set([...this.#stores.readOrder(object.copies, replicas), ...unconfigured])) {
      try {
        const copy = await copyAt(this.#stores.store(storeId), { key: object.key, byteLength }, signal);
        // An object that ends before the byte is as good as none.
        if (copy === "there") return "found";
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof LogError)) throw error;
        silent.push(storeId);
      }
    }
    return silent.length === 0 ? "lost" : { silent };
  }

  async #declare(
    journal: LogJournal,
    { topic: { topicId }, partitionIndex }: DoubtfulPartition,
    keys: readonly ObjectKey[],
    signal: AbortSignal,
  ): Promise<void> {
    await journal.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, signal);
    const commands = keys.map((key) => ({ kind: "declare-lost", topicId, partitionIndex, key }) as const);
    await Promise.all(commands.map((command) => journal.propose(command, { lane: "declare-lost", signal })));
    this.#logger.warn("records of which no copy is left were declared lost", {
      topicId,
      partition: partitionIndex,
      objects: keys.length,
      first: keys[0],
    });
  }
}

/** What a partition's records lie in: write-ahead objects, each once, and the logs of segments. */
function recordsOf({ entries, segments }: PartitionState): readonly Needed[] {
  const needed = new Map<ObjectKey, Needed>();
  for (const { place, position, byteLength } of entries) {
    if (place.kind !== "object") continue;
    const before = needed.get(place.key)?.byteLength ?? 0;
    needed.set(place.key, { object: place, byteLength: Math.max(position + byteLength, before) });
  }
  const logs = segments.flatMap((segment) =>
    segmentFiles(segment)
      .slice(0, 1)
      .map(({ key, byteLength }) => ({ object: { key, copies: segment.copies }, byteLength })),
  );
  return [...logs, ...needed.values()];
}

function indexesOf({ segments }: PartitionState): readonly NeededIndex[] {
  return segments.flatMap((segment) =>
    segmentFiles(segment).flatMap(({ key, byteLength }) => {
      const suffix = parseSegmentKey(key)?.suffix ?? "log";
      return suffix === "log" ? [] : [{ object: { key, copies: segment.copies }, byteLength, segment, suffix }];
    }),
  );
}
