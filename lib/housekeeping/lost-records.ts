import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import { type LogState, partitionKey, type WriteAheadObject } from "#lib/log/log-state.ts";
import { LEADERS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { CorruptObjectError, ObjectNotFoundError } from "#lib/storage/object-store.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { COPY_LOOKS_AT_ONCE_MAX } from "#lib/util/limits.ts";

export interface DoubtfulPartition {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
}

export type LossVerdict =
  /** Every record has a copy, as far as looking for it tells. */
  | { readonly kind: "whole" }
  /** Some had none; the journal says so now, and readers get empty batches in their place. */
  | { readonly kind: "declared"; readonly objectCount: number }
  /** These stores do not answer, so nobody knows; what had no copy anywhere was declared lost all the same. */
  | { readonly kind: "unknown"; readonly silent: readonly StoreId[] };

type Copy = "found" | "lost" | { readonly silent: readonly StoreId[] };

/** One object that a partition refers to, and the last byte of it that the partition needs. */
interface Needed {
  readonly object: WriteAheadObject;
  readonly lastByteAt: number;
}

/**
 * Gives records up of which no copy is left, so that a partition can be read on behind them. An operator asks for that: a
 * store that does not answer may have the copy, and what is declared lost does not come back with it.
 */
export class LostRecords {
  readonly #journals: LogJournals;
  readonly #stores: StoreSet;
  readonly #logger: Logger;

  constructor(deps: { readonly journals: LogJournals; readonly stores: StoreSet; readonly logger: Logger }) {
    this.#journals = deps.journals;
    this.#stores = deps.stores;
    this.#logger = deps.logger;
  }

  /** Costs a request for each object that the partition refers to. Rejects as reads of the journal and proposals do. */
  async declareLost({ topic, partitionIndex }: DoubtfulPartition, signal: AbortSignal): Promise<LossVerdict> {
    const journal = await this.#journals.journal(journalOfPartition(topic, partitionIndex), signal);
    await journal.readBarrier(signal);
    const key = partitionKey(topic.topicId, partitionIndex);
    const { replicas } = journal.state;
    const looks = await mapInChunks(neededBy(journal.state, key), COPY_LOOKS_AT_ONCE_MAX, async (needed) => {
      return { key: needed.object.key, copy: await this.#look(needed, replicas, signal) };
    });
    const lost = looks.filter(({ copy }) => copy === "lost").map((each) => each.key);
    if (lost.length > 0) await this.#declare(journal, { topic, partitionIndex }, lost, signal);
    const silent = new Set(looks.flatMap(({ copy }) => (typeof copy === "string" ? [] : copy.silent)));
    if (silent.size > 0) return { kind: "unknown", silent: [...silent].sort((a, b) => a - b) };
    return lost.length > 0 ? { kind: "declared", objectCount: lost.length } : { kind: "whole" };
  }

  async #look({ object, lastByteAt }: Needed, replicas: readonly StoreId[], signal: AbortSignal): Promise<Copy> {
    const silent: StoreId[] = [];
    // A copy that came after its commit may lie in any of the replicas.
    const unconfigured = [...object.copies, ...replicas].filter((storeId) => !this.#stores.has(storeId));
    for (const storeId of new Set([...this.#stores.readOrder(object.copies, replicas), ...unconfigured])) {
      try {
        await this.#stores.store(storeId).getRange(object.key, { position: lastByteAt, byteLength: 1 }, signal);
        return "found";
      } catch (error) {
        signal.throwIfAborted();
        // An object that ends before the byte is as good as none.
        if (error instanceof ObjectNotFoundError || error instanceof CorruptObjectError) continue;
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

/** What a partition has in write-ahead objects: each object once. */
function neededBy(state: LogState, key: string): readonly Needed[] {
  const needed = new Map<ObjectKey, Needed>();
  for (const { place, position, byteLength } of state.partitions.get(key)?.entries ?? []) {
    if (place.kind !== "object") continue;
    const lastByteAt = Math.max(position + byteLength - 1, needed.get(place.key)?.lastByteAt ?? 0);
    needed.set(place.key, { object: place, lastByteAt });
  }
  return [...needed.values()];
}
