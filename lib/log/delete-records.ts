import { ErrorCode } from "#lib/protocol/error-code.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { assert } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import type { PartitionAccess, PartitionSlot } from "./fetch-partitions.ts";
import type { DeletedRecords, RecordDeleter, RecordDeletion } from "./log-api.ts";

export interface RecordDeletionDeps {
  readonly access: PartitionAccess;
  readonly logger: Logger;
}

interface DeletionSlot extends PartitionSlot {
  readonly beforeOffset: Offset | "high-watermark";
}

/** One for all partitions, so that what a request asks of a journal travels in one record. */
const LANE = "log-start";

/**
 * Moves log starts. Every journal is read strongly first: that is where the high watermark comes from, and a refusal may
 * only stand on it (J8). The log end never falls, so what is in range then is in range for the fold too.
 */
export class RecordDeletions implements RecordDeleter {
  readonly #deps: RecordDeletionDeps;

  constructor(deps: RecordDeletionDeps) {
    this.#deps = deps;
  }

  async deleteRecords(deletions: readonly RecordDeletion[], signal: AbortSignal): Promise<readonly DeletedRecords[]> {
    const { access } = this.#deps;
    const slots: readonly DeletionSlot[] = deletions.map(({ topic, partitionIndex, beforeOffset }) => ({
      ...access.slot(topic, partitionIndex),
      beforeOffset,
    }));
    try {
      await access.open(slots, signal);
      await access.confirm(slots, { signal, freshTopics: true });
    } catch (error) {
      if (!signal.aborted) throw error;
      return slots.map(() => refused(ErrorCode.REQUEST_TIMED_OUT));
    }
    return mapInChunks(slots, ADMIN_ITEMS_AT_ONCE_MAX, (slot) => this.#delete(slot, signal));
  }

  async #delete(slot: DeletionSlot, signal: AbortSignal): Promise<DeletedRecords> {
    const { access } = this.#deps;
    if (slot.error !== ErrorCode.NONE) return refused(slot.error);
    // A partition of a topic that lives and is not open has never been written to.
    const { logStartOffset, logEndOffset } = access.partition(slot) ?? { logStartOffset: 0, logEndOffset: 0 };
    const target = slot.beforeOffset === "high-watermark" ? logEndOffset : slot.beforeOffset;
    if (target < 0 || target > logEndOffset) return refused(ErrorCode.OFFSET_OUT_OF_RANGE);
    if (target <= logStartOffset) return { error: ErrorCode.NONE, logStartOffset };
    try {
      return await this.#advance(slot, target, signal);
    } catch (error) {
      return refused(this.#errorOf(slot, error, signal));
    }
  }

  async #advance(slot: DeletionSlot, target: Offset, signal: AbortSignal): Promise<DeletedRecords> {
    const { topic, partitionIndex, journal } = slot;
    assert(journal !== undefined, "a partition with records has an open journal");
    const command = {
      kind: "advance-log-start",
      topicId: topic.topicId,
      partitionIndex,
      logStartOffset: target,
    } as const;
    const { outcome } = await journal.propose(command, { lane: LANE, signal });
    // Dropped since the strong read: a topic's id is never used again, so the topic is gone.
    if (outcome.kind === "refused") return refused(outcome.error);
    // Somebody may have gone further in the same record.
    const now = this.#deps.access.partition(slot)?.logStartOffset ?? target;
    return { error: ErrorCode.NONE, logStartOffset: Math.max(target, now) };
  }

  #errorOf(slot: DeletionSlot, error: unknown, signal: AbortSignal): ErrorCode {
    const isUnavailable = error instanceof LogError && error.kind === "unavailable";
    if (signal.aborted || isUnavailable) return ErrorCode.REQUEST_TIMED_OUT;
    this.#deps.logger.error("records were not deleted", {
      topicId: slot.topic.topicId,
      partition: slot.partitionIndex,
      error: describeError(error),
    });
    return ErrorCode.UNKNOWN_SERVER_ERROR;
  }
}

function refused(error: ErrorCode): DeletedRecords {
  return { error, logStartOffset: -1 };
}
