import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type BatchRefusal, validateBatch } from "#lib/record/batch-validator.ts";
import { type BatchHeader, patchLeaderEpoch, readBatchHeader, setLogAppendTime } from "#lib/record/record-batch.ts";
import type { TimestampMs } from "#lib/util/branded.ts";

export type BatchAdmission =
  | {
      readonly kind: "admitted";
      readonly header: BatchHeader;
      readonly bytes: Uint8Array;
      /** For the answer: -1 unless the topic stamps its records. */
      readonly logAppendTimeMs: TimestampMs;
    }
  | { readonly kind: "refused"; readonly error: ErrorCode; readonly message: string };

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
  patchLeaderEpoch(records, 0, 0);
  if (topic.settings.timestampType === "CreateTime") {
    return { kind: "admitted", header: verdict.header, bytes: records, logAppendTimeMs: -1 };
  }
  setLogAppendTime(records, at.nowMs);
  return { kind: "admitted", header: readBatchHeader(records), bytes: records, logAppendTimeMs: at.nowMs };
}

const NO_RECORDS = { reason: "invalid-record", message: "there are no records" } as const;
