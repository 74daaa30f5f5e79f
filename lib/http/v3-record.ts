import { z } from "zod";
import type { NewRecord, RecordHeader } from "#lib/record/record.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { bytesOfBase64, INVALID_PAYLOAD } from "./base64.ts";
import { jsonBytesOf } from "./faithful-json.ts";
import { HttpError } from "./http-error.ts";

// A record as v3 of the REST Proxy has it. Its form is checked by the schema; what its texts hold is checked record by
// record, so that of several records only those that cannot be are refused.

/** Fields of formats with schemas, which are not served: they may stand there as null. */
const NO_SCHEMA = {
  subject: z.null().optional(),
  subject_name_strategy: z.null().optional(),
  schema_id: z.null().optional(),
  schema_version: z.null().optional(),
  schema: z.null().optional(),
};

const Data = z
  .discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("BINARY"),
      data: z.string().nullish().meta({ description: "base64", contentEncoding: "base64" }),
      ...NO_SCHEMA,
    }),
    z.strictObject({
      type: z.literal("JSON"),
      data: z.unknown().optional().meta({ description: "Any JSON; null for no bytes." }),
      ...NO_SCHEMA,
    }),
    z.strictObject({ type: z.literal("STRING"), data: z.string().nullish(), ...NO_SCHEMA }),
  ])
  .meta({ id: "V3RecordData" });
type Data = z.output<typeof Data>;

export const RECORD_FIELDS = {
  partition_id: z.int().min(0).max(0x7fff_ffff).nullish(),
  headers: z
    .array(
      z.strictObject({
        name: z.string(),
        value: z.string().nullish().meta({ description: "base64", contentEncoding: "base64" }),
      }),
    )
    .nullish(),
  key: Data.nullish(),
  value: Data.nullish(),
  timestamp: z.iso
    .datetime({ offset: true })
    .nullish()
    .meta({ description: "Milliseconds are kept. Where left out, the time of the request." }),
};
export const V3Record = z.strictObject(RECORD_FIELDS).meta({ id: "V3Record" });
export type V3Record = z.output<typeof V3Record>;

const Written = z.object({ type: z.enum(["BINARY", "JSON", "STRING"]), size: z.int() });

const REPORT_FIELDS = {
  cluster_id: z.string(),
  topic_name: z.string(),
  partition_id: z.int(),
  offset: z.int(),
  timestamp: z.iso.datetime().nullable().meta({ description: "Null where the topic sets the time." }),
  key: Written.optional().meta({ description: "Left out where the record names none." }),
  value: Written.optional(),
};
/** What a record that was written is answered. */
export const V3Report = z.object({ error_code: z.literal(200), ...REPORT_FIELDS }).meta({ id: "V3RecordReport" });
export const V3Success = z.object({ id: z.string(), ...REPORT_FIELDS }).meta({ id: "V3BatchSuccess" });

export const EXAMPLE_RECORD = {
  key: { type: "STRING", data: "alice" },
  value: { type: "JSON", data: { item: "book" } },
  headers: [{ name: "source", value: "d2Vi" }],
};
export const EXAMPLE_REPORT = {
  cluster_id: "m1llraceExampleCluster",
  topic_name: "orders",
  partition_id: 0,
  offset: 12,
  timestamp: "2026-11-21T18:41:17.443Z",
  key: { type: "STRING", size: 5 },
  value: { type: "JSON", size: 15 },
};

// Times in their written form; no clock is read.

export function timeText(timestampMs: TimestampMs): string {
  // biome-ignore lint/style/noRestrictedGlobals: it only writes down a time that is given.
  return new Date(timestampMs).toISOString();
}

function timeOf(text: string): TimestampMs {
  // biome-ignore lint/style/noRestrictedGlobals: it only reads a time that is written down.
  return Date.parse(text);
}

/** Kafka's producers refuse such times too: -1 stands for none, and what lies before it for nothing. */
function givenTimeOf(text: string): TimestampMs {
  const timestampMs = timeOf(text);
  if (timestampMs >= 0) return timestampMs;
  throw new HttpError({ status: 422, errorCode: 42212, message: `The timestamp ${text} lies before 1970.` });
}

/** The record's bytes. Fails with 422 for base64 that is none, and for a time that no record can have. */
export function newRecordOf({ headers, key, value, timestamp }: V3Record, nowMs: TimestampMs): NewRecord {
  return {
    timestampMs: typeof timestamp === "string" ? givenTimeOf(timestamp) : nowMs,
    key: bytesOf(key, "key"),
    value: bytesOf(value, "value"),
    headers: (headers ?? []).map(({ name, value: text }): RecordHeader => {
      return { key: name, value: typeof text === "string" ? base64Bytes(text, `header ${name}`) : null };
    }),
  };
}

function bytesOf(field: Data | null | undefined, what: string): Uint8Array | null {
  if (field === null || field === undefined || field.data === null || field.data === undefined) return null;
  switch (field.type) {
    case "BINARY":
      return base64Bytes(field.data, what);
    case "JSON":
      return jsonBytesOf(field.data);
    case "STRING":
      return Buffer.from(field.data);
  }
}

function base64Bytes(text: string, what: string): Uint8Array {
  const bytes = bytesOfBase64(text);
  if (bytes !== undefined) return bytes;
  const message = `The ${what} is not base64 (RFC 4648 section 4, padded); for text as it is there is type STRING.`;
  throw new HttpError({ status: 422, errorCode: INVALID_PAYLOAD, message });
}
