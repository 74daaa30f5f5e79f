import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type BatchRefusal, validateBatch } from "#lib/record/batch-validator.ts";
import { CodecMissingError, CorruptRecordError, DecompressedTooLargeError } from "#lib/record/errors.ts";
import { keylessRecords } from "#lib/record/keyless-records.ts";
import { type BatchHeader, patchLeaderEpoch, readBatchHeader, setLogAppendTime } from "#lib/record/record-batch.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { RECORD_ERRORS_MAX } from "#lib/util/limits.ts";

/** What is wrong with one record of a refused batch (KIP-467). */
export interface RecordError {
  readonly batchIndex: number;
  readonly batchIndexErrorMessage: string;
}

export interface RefusedBatch {
  readonly kind: "refused";
  readonly error: ErrorCode;
  readonly message: string;
  /** The records at fault, if it is not the batch as a whole. */
  readonly recordErrors?: readonly RecordError[];
}

export type BatchAdmission =
  | {
      readonly kind: "admitted";
      readonly header: BatchHeader;
      readonly bytes: Uint8Array;
      /** For the answer: -1 unless the topic stamps its records. */
      readonly logAppendTimeMs: TimestampMs;
    }
  | RefusedBatch;

const REFUSALS: { readonly [reason in BatchRefusal]: ErrorCode } = {
  corrupt: ErrorCode.CORRUPT_MESSAGE,
  "too-large": ErrorCode.MESSAGE_TOO_LARGE,
  "invalid-record": ErrorCode.INVALID_RECORD,
  "unsupported-compression": ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  // Every version of Produce that is served may hold magic 2 only.
  "unsupported-format": ErrorCode.INVALID_RECORD,
  "invalid-timestamp": ErrorCode.INVALID_TIMESTAMP,
};

/**
 * Checks a produced batch by the topic's rules and makes it what is stored: leader epoch 0, and the broker's time where
 * the topic says `LogAppendTime`. Changes `records` in place: the frame is ours, and both fields lie outside the CRC or
 * are summed again.
 */
export function admitBatch(
  records: Uint8Array | null,
  topic: TopicView,
  at: { readonly produceVersion: number; readonly nowMs: TimestampMs },
): BatchAdmission {
  const verdict = validateBatch(records, { ...topic.settings, ...at });
  if (verdict.kind === "refused" || records === null) {
    const { reason, message } = verdict.kind === "refused" ? verdict : NO_RECORDS;
    return { kind: "refused", error: REFUSALS[reason], message };
  }
  const fault = topic.settings.isCompacted ? checkKeys(records) : undefined;
  if (fault !== undefined) return fault;
  patchLeaderEpoch(records, 0, 0);
  if (topic.settings.timestampType === "CreateTime") {
    return { kind: "admitted", header: verdict.header, bytes: records, logAppendTimeMs: -1 };
  }
  setLogAppendTime(records, at.nowMs);
  return { kind: "admitted", header: readBatchHeader(records), bytes: records, logAppendTimeMs: at.nowMs };
}

const NO_RECORDS = { reason: "invalid-record", message: "there are no records" } as const;

/** A record without a key has no place in a compacted topic. Kafka refuses the batch and names the records. */
function checkKeys(records: Uint8Array): RefusedBatch | undefined {
  try {
    const places = keylessRecords(records, RECORD_ERRORS_MAX);
    if (places.length === 0) return undefined;
    const batchIndexErrorMessage = "a compacted topic takes no record without a key";
    const recordErrors = places.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage }));
    const message = `records were refused: ${batchIndexErrorMessage}`;
    return { kind: "refused", error: ErrorCode.INVALID_RECORD, message, recordErrors };
  } catch (error) {
    // The CRC is right, so the producer made it so, and to send it again is no use.
    if (error instanceof CorruptRecordError || error instanceof DecompressedTooLargeError) {
      return { kind: "refused", error: ErrorCode.INVALID_RECORD, message: error.message };
    }
    if (error instanceof CodecMissingError) {
      return { kind: "refused", error: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message: error.message };
    }
    throw error;
  }
}
