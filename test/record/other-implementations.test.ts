import { createRequire } from "node:module";
import { createRecordsBatch, Reader, readRecordsBatch } from "@platformatic/kafka";
import { expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { type BatchRules, validateBatch } from "#lib/record/batch-validator.ts";
import { COMPRESSION_CODECS } from "#lib/record/compression-codec.ts";
import { readRecords } from "#lib/record/record-reader.ts";

const require = createRequire(import.meta.url);

const rules: BatchRules = {
  produceVersion: 9,
  messageBytesMax: 1_048_588,
  timestampType: "CreateTime",
  nowMs: 1_700_000_000_000,
  timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  timestampAfterMaxMs: 3_600_000,
};

const records = Array.from({ length: 500 }, (_, index) => ({
  timestampMs: 1_700_000_000_000 + index,
  key: Buffer.from(`key-${index}`),
  value: Buffer.from(`value ${index} `.repeat(index % 30)),
  headers: [{ key: "größe", value: Buffer.from(String(index)) }],
}));

test.each(COMPRESSION_CODECS)("@platformatic/kafka reads our %s batches", (codec) => {
  const batch = readRecordsBatch(Reader.from(Buffer.from(buildBatch(records, { codec }))));
  const read = batch.records.map((record) => ({
    timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
    key: Buffer.from(record.key ?? ""),
    value: Buffer.from(record.value ?? ""),
    headers: record.headers.map(([key, value]) => ({ key: String(key), value: Buffer.from(value ?? "") })),
  }));
  expect(read).toEqual(records);
});

test.each(COMPRESSION_CODECS)("a %s batch of @platformatic/kafka is valid and read", (compression) => {
  const messages = records.map(({ timestampMs, key, value, headers }) => ({
    topic: "places",
    timestamp: BigInt(timestampMs),
    key,
    value,
    headers: new Map(headers.map((header) => [Buffer.from(header.key), header.value])),
  }));
  const batch = createRecordsBatch(messages, { compression }).buffer;
  expect(validateBatch(batch, rules)).toMatchObject({ kind: "valid", header: { recordCount: 500 } });
  expect([...readRecords(batch)]).toEqual(records.map((record, offset) => ({ ...record, offset })));
});

test.each([
  ["without compression", 0],
  ["with gzip", 1],
])("a batch of kafkajs %s is valid and read", async (_, compression) => {
  const { RecordBatch: encodeBatch } = require("kafkajs/src/protocol/recordBatch/v0/index.js");
  const encodeRecord = require("kafkajs/src/protocol/recordBatch/record/v0/index.js");
  const [firstTimestamp, maxTimestamp] = [1_700_000_000_000, 1_700_000_000_499];
  const encoded = records.map(({ timestampMs, key, value }, offsetDelta) =>
    encodeRecord({ offsetDelta, timestampDelta: timestampMs - firstTimestamp, key, value, headers: {} }),
  );
  const lastOffsetDelta = encoded.length - 1;
  const { buffer } = await encodeBatch({
    compression,
    firstTimestamp,
    maxTimestamp,
    lastOffsetDelta,
    records: encoded,
  });
  expect(validateBatch(buffer, rules)).toMatchObject({ kind: "valid", header: { recordCount: 500, maxTimestamp } });
  expect([...readRecords(buffer)]).toEqual(records.map((record, offset) => ({ ...record, headers: [], offset })));
});
