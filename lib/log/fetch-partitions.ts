import { ErrorCode } from "#lib/protocol/error-code.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { assert } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { MissingEntryError, refersTo } from "./entry-reader.ts";
import type { LogJournal, LogJournals } from "./log-journals.ts";
import { type PartitionState, partitionKey } from "./log-state.ts";
import { journalOfPartition, type PartitionDirectory, type TopicPlacement } from "./partition-directory.ts";
import { MissingSegmentError, namesSegment } from "./segment-reader.ts";

/** One partition of a request, on its way to an answer. */
export interface PartitionSlot {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
  readonly key: string;
  readonly journalIndex: number;
  journal: LogJournal | undefined;
  /** Once it is not NONE it is the answer. */
  error: ErrorCode;
  /** Whether a strong read that began after the request stands behind what we see (J8). */
  isConfirmed: boolean;
}

export interface ConfirmOptions {
  readonly signal: AbortSignal;
  /** Read the topics strongly too, even those that we know: where a partition ought to be open and is not. */
  readonly freshTopics: boolean;
}

/** How often a read is planned anew because places were replaced meanwhile. */
const REPLANS_MAX = 4;

/** Below it a read_committed reader may read. Without transactions nothing is ever unstable. */
export function lastStableOffset(partition: PartitionState): Offset {
  return partition.logEndOffset;
}

/** Finds the partitions of requests, and makes sure before it says that one is not there. */
export class PartitionAccess {
  readonly #journals: LogJournals;
  readonly #directory: PartitionDirectory;
  readonly #logger: Logger;

  constructor(deps: {
    readonly journals: LogJournals;
    readonly directory: PartitionDirectory;
    readonly logger: Logger;
  }) {
    this.#journals = deps.journals;
    this.#directory = deps.directory;
    this.#logger = deps.logger;
  }

  slot(topic: TopicPlacement, partitionIndex: number): PartitionSlot {
    const isIndex = Number.isSafeInteger(partitionIndex) && partitionIndex >= 0;
    const journalIndex = isIndex ? journalOfPartition(topic, partitionIndex) : 0;
    return {
      topic,
      partitionIndex,
      key: partitionKey(topic.topicId, partitionIndex),
      journalIndex,
      journal: this.#journals.opened(journalIndex),
      error: isIndex ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      isConfirmed: false,
    };
  }

  /** The state as folded so far; undefined: not open there, thus empty if the topic lives. */
  partition(slot: PartitionSlot): PartitionState | undefined {
    return slot.journal?.state.partitions.get(slot.key);
  }

  /** Opens the journals that are not open yet. Sets `error` where that fails. Rejects only if aborted. */
  async open(slots: readonly PartitionSlot[], signal: AbortSignal): Promise<void> {
    const missing = slots.filter((slot) => slot.journal === undefined && slot.error === ErrorCode.NONE);
    if (missing.length === 0) return;
    await this.#perJournal(missing, signal, async (group, index) => {
      const journal = await this.#journals.journal(index, signal);
      for (const slot of group) slot.journal = journal;
    });
  }

  /**
   * Strong reads for `slots`: what their journals' states say afterwards is final. Sets `error` where the topic or the
   * partition does not exist, or a journal does not answer. Rejects only if aborted.
   */
  async confirm(slots: readonly PartitionSlot[], options: ConfirmOptions): Promise<void> {
    const { signal } = options;
    const asked = slots.filter((slot) => slot.error === ErrorCode.NONE);
    if (asked.length === 0) return;
    await this.#perJournal(asked, signal, async (_group, index) => {
      const journal = this.#journals.opened(index);
      assert(journal !== undefined, "a journal is opened before it is read");
      await journal.readBarrier(signal);
    });
    const unopened = asked.filter((slot) => slot.error === ErrorCode.NONE && this.partition(slot) === undefined);
    const needsTopics = unopened.length > 0 && (options.freshTopics || !unopened.every((slot) => this.#lives(slot)));
    // A topic is marked in the cluster journal before it is dropped from the logs, so its view has to be the later one:
    // only then is a partition that is not open, of a topic that lives, one that was never written to.
    const areTopicsRead = needsTopics ? await this.#refreshTopics(signal) : true;
    for (const slot of asked) {
      slot.isConfirmed = true;
      if (slot.error !== ErrorCode.NONE || this.partition(slot) !== undefined) continue;
      if (!areTopicsRead) slot.error = ErrorCode.KAFKA_STORAGE_ERROR;
      else if (!this.#lives(slot)) slot.error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    }
  }

  /**
   * Runs `attempt`, which plans by the newest state and reads, again when a place that it read is no longer there.
   * Fails with `MissingEntryError` or `MissingSegmentError` if the newest state still refers to the place: then the bytes
   * are lost.
   */
  async retryMissing<T>(slot: PartitionSlot, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (let count = 0; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        signal.throwIfAborted();
        if (!isMissing(error) || count === REPLANS_MAX) throw error;
        await this.confirm([slot], { signal, freshTopics: false });
        const partition = this.partition(slot);
        if (partition !== undefined && isStillNamed(partition, error)) throw error;
      }
    }
  }

  /** What a failed read means for its partition. Throws what is no failure of a store or a journal. */
  readError(slot: PartitionSlot, error: unknown): ErrorCode {
    if (!(error instanceof LogError)) throw error;
    const fields = {
      topicId: slot.topic.topicId,
      partition: slot.partitionIndex,
      journal: slot.journal?.id,
      error: describeError(error),
    };
    if (error.kind === "unavailable") this.#logger.debug("a partition cannot be read now", fields);
    else this.#logger.error("committed records are missing or damaged", fields);
    return ErrorCode.KAFKA_STORAGE_ERROR;
  }

  #lives(slot: PartitionSlot): boolean {
    const topic = this.#directory.find(slot.topic.topicId);
    return topic !== undefined && slot.partitionIndex < topic.partitionCount;
  }

  async #refreshTopics(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#directory.refresh(signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LogError)) throw error;
      this.#logger.warn("the cluster journal cannot be read", { error: describeError(error) });
      return false;
    }
  }

  /** Runs `action` once for each journal, all at once; the slots of a journal where it fails get an error. */
  async #perJournal(
    slots: readonly PartitionSlot[],
    signal: AbortSignal,
    action: (group: readonly PartitionSlot[], journalIndex: number) => Promise<void>,
  ): Promise<void> {
    const groups = groupBy(slots, (slot) => slot.journalIndex);
    const runs = [...groups].map(async ([index, group]) => {
      try {
        await action(group, index);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof LogError)) throw error;
        this.#logger.warn("a log journal cannot be read", { journal: index, error: describeError(error) });
        for (const slot of group) slot.error = ErrorCode.KAFKA_STORAGE_ERROR;
      }
    });
    await Promise.all(runs);
  }
}

type MissingError = MissingEntryError | MissingSegmentError;

function isMissing(error: unknown): error is MissingError {
  return error instanceof MissingEntryError || error instanceof MissingSegmentError;
}

function isStillNamed(partition: PartitionState, error: MissingError): boolean {
  if (error instanceof MissingSegmentError) return namesSegment(partition, error.segment);
  return refersTo(partition, error.place);
}
