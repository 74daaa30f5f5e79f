import fc from "fast-check";
import { expect, test } from "vitest";
import { type BatchRules, validateBatch } from "#lib/record/batch-validator.ts";
import {
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_LENGTH_AT,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  readBatchHeader,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { GOLDEN_CODECS, type GoldenCodec, goldenBatch } from "./golden-batches.ts";

const rules: BatchRules = {
  produceVersion: 9,
  messageBytesMax: 1_048_588,
  timestampType: "CreateTime",
  nowMs: 1_700_000_000_000,
  timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  timestampAfterMaxMs: 3_600_000,
};

/** What becomes of a batch after `change`, with its sum made right again. */
function verdictAfter(change: (view: DataView) => void, options: Partial<BatchRules> & { codec?: GoldenCodec } = {}) {
  const batch = goldenBatch(options.codec ?? "snappy");
  const view = new DataView(batch.buffer);
  change(view);
  view.setUint32(CRC_AT, sumBatch(batch));
  const verdict = validateBatch(batch, { ...rules, ...options });
  return verdict.kind === "valid" ? "valid" : verdict.reason;
}

test.each(GOLDEN_CODECS)("a %s batch of another implementation is valid and its header comes along", (codec) => {
  const batch = goldenBatch(codec);
  expect(validateBatch(batch, rules)).toEqual({ kind: "valid", header: readBatchHeader(batch) });
});

test("any flipped bit under the checksum is corruption", () => {
  for (const codec of GOLDEN_CODECS) {
    const batch = goldenBatch(codec);
    for (let at = CRC_AT; at < batch.byteLength; at++) {
      const flip = 1 << (at % 8);
      batch[at] = (batch[at] ?? 0) ^ flip;
      expect(validateBatch(batch, rules)).toMatchObject({ kind: "refused", reason: "corrupt" });
      batch[at] = (batch[at] ?? 0) ^ flip;
    }
  }
});

test("any flipped bit of length, magic or base offset is refused too", () => {
  const batch = goldenBatch("none");
  for (let at = 0; at < CRC_AT; at++) {
    if (at >= 12 && at < MAGIC_AT) continue; // the leader epoch, which any broker overwrites
    for (let bit = 0; bit < 8; bit++) {
      batch[at] = (batch[at] ?? 0) ^ (1 << bit);
      expect(validateBatch(batch, rules).kind).toBe("refused");
      batch[at] = (batch[at] ?? 0) ^ (1 << bit);
    }
  }
});

test("a cut batch, a second batch and trailing bytes are invalid", () => {
  const batch = goldenBatch("none");
  for (let length = 0; length < batch.byteLength; length++) {
    expect(validateBatch(batch.subarray(0, length), rules)).toMatchObject({ reason: "invalid-record" });
  }
  expect(validateBatch(Buffer.concat([batch, batch]), rules)).toMatchObject({ reason: "invalid-record" });
  expect(validateBatch(Buffer.concat([batch, Buffer.alloc(1)]), rules)).toMatchObject({ reason: "invalid-record" });
  expect(validateBatch(null, rules)).toMatchObject({ reason: "invalid-record" });
});

test("old message formats have their own refusal, unknown magic is corruption", () => {
  const refusal = (magic: number, length: number) => {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setInt8(MAGIC_AT, magic);
    return validateBatch(bytes, rules);
  };
  expect(refusal(0, 26)).toMatchObject({ reason: "unsupported-format" });
  expect(refusal(1, 100)).toMatchObject({ reason: "unsupported-format" });
  expect(refusal(3, 100)).toMatchObject({ reason: "corrupt" });
  expect(refusal(-1, 17)).toMatchObject({ reason: "corrupt" });
});

test("a length below a header's is corruption", () => {
  for (const length of [48, 0, -1, -(2 ** 31)]) {
    expect(verdictAfter((view) => view.setInt32(BATCH_LENGTH_AT, length))).toBe("corrupt");
  }
});

test("the size limit counts the whole batch and comes before the checksum", () => {
  const batch = goldenBatch("none");
  expect(validateBatch(batch, { ...rules, messageBytesMax: batch.byteLength }).kind).toBe("valid");
  batch[80] = 0xff;
  expect(validateBatch(batch, { ...rules, messageBytesMax: batch.byteLength - 1 })).toMatchObject({
    reason: "too-large",
  });
});

test("unknown codecs are refused, and zstd before Produce v7", () => {
  for (const codec of [5, 6, 7]) {
    expect(verdictAfter((view) => view.setInt16(ATTRIBUTES_AT, codec))).toBe("unsupported-compression");
  }
  expect(verdictAfter(() => {}, { codec: "zstd", produceVersion: 6 })).toBe("unsupported-compression");
  expect(verdictAfter(() => {}, { codec: "zstd", produceVersion: 7 })).toBe("valid");
  expect(verdictAfter(() => {}, { codec: "lz4", produceVersion: 3 })).toBe("valid");
});

test("record count and last offset delta agree and are positive", () => {
  const verdict = (recordCount: number, lastOffsetDelta: number) =>
    verdictAfter((view) => {
      view.setInt32(RECORD_COUNT_AT, recordCount);
      view.setInt32(LAST_OFFSET_DELTA_AT, lastOffsetDelta);
    });
  expect(verdict(3, 2)).toBe("valid");
  expect(verdict(3, 3)).toBe("invalid-record");
  expect(verdict(2, 2)).toBe("invalid-record");
  expect(verdict(0, -1)).toBe("invalid-record");
  expect(verdict(-1, -2)).toBe("invalid-record");
});

test("an uncompressed batch cannot claim more records than fit in its bytes", () => {
  const verdict = (recordCount: number, codec: GoldenCodec) =>
    verdictAfter(
      (view) => {
        view.setInt32(RECORD_COUNT_AT, recordCount);
        view.setInt32(LAST_OFFSET_DELTA_AT, recordCount - 1);
      },
      { codec },
    );
  expect(verdict(2_000_000_000, "none")).toBe("invalid-record");
  expect(verdict(2_000, "zstd")).toBe("valid");
});

test("base offset other than 0 and control batches are refused", () => {
  expect(verdictAfter((view) => view.setBigInt64(0, 1n))).toBe("invalid-record");
  expect(verdictAfter((view) => view.setInt16(ATTRIBUTES_AT, 0x32))).toBe("invalid-record");
});

test("with a producer id, epoch and sequence count; without, they do not", () => {
  const verdict = (producerId: bigint, epoch: number, sequence: number, attributes = 0x02) =>
    verdictAfter((view) => {
      view.setBigInt64(PRODUCER_ID_AT, producerId);
      view.setInt16(PRODUCER_EPOCH_AT, epoch);
      view.setInt32(BASE_SEQUENCE_AT, sequence);
      view.setInt16(ATTRIBUTES_AT, attributes);
    });
  expect(verdict(0n, 0, 0)).toBe("valid");
  expect(verdict(0n, -1, 0)).toBe("invalid-record");
  expect(verdict(0n, 0, -1)).toBe("invalid-record");
  expect(verdict(-2n, 0, 0)).toBe("invalid-record");
  expect(verdict(2n ** 60n, 0, 0)).toBe("invalid-record");
  expect(verdict(-1n, 0, 0)).toBe("valid");
  expect(verdict(-1n, -1, -1)).toBe("valid");
  expect(verdict(-1n, -1, -1, 0x12)).toBe("invalid-record");
  expect(verdict(7n, 0, 0, 0x12)).toBe("valid");
});

test("timestamps stay within the topic's bounds, ends included", () => {
  const verdict = (base: bigint, max: bigint, options: Partial<BatchRules> = {}) =>
    verdictAfter(
      (view) => {
        view.setBigInt64(BASE_TIMESTAMP_AT, base);
        view.setBigInt64(MAX_TIMESTAMP_AT, max);
      },
      { timestampBeforeMaxMs: 1_000, timestampAfterMaxMs: 500, ...options },
    );
  const now = BigInt(rules.nowMs);
  expect(verdict(now - 1_000n, now + 500n)).toBe("valid");
  expect(verdict(now - 1_001n, now)).toBe("invalid-timestamp");
  expect(verdict(now, now + 501n)).toBe("invalid-timestamp");
  expect(verdict(-1n, -1n)).toBe("valid");
  expect(verdict(now - 1_001n, now + 501n, { timestampType: "LogAppendTime" })).toBe("valid");
  expect(verdict(now, 2n ** 62n, { timestampAfterMaxMs: 2 ** 63 })).toBe("invalid-timestamp");
  expect(verdict(0n, now, { timestampBeforeMaxMs: 2 ** 63 })).toBe("valid");
});

test("producers may not claim LogAppendTime, whatever the topic says", () => {
  for (const timestampType of ["CreateTime", "LogAppendTime"] as const) {
    expect(verdictAfter((view) => view.setInt16(ATTRIBUTES_AT, 0x1a), { timestampType })).toBe("invalid-timestamp");
  }
});

test("no bytes make the validator throw", () => {
  const headers = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean()).map(([bytes, isFramed]) => {
    if (!isFramed || bytes.byteLength < 61) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setInt32(BATCH_LENGTH_AT, bytes.byteLength - 12);
    view.setInt8(MAGIC_AT, 2);
    view.setUint32(CRC_AT, sumBatch(bytes));
    return bytes;
  });
  fc.assert(fc.property(headers, (bytes) => validateBatch(bytes, rules).kind !== undefined));
});
