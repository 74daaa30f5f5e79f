import { z } from "zod";
import type { StoredRecord } from "#lib/record/record.ts";
import { base64Of } from "./base64.ts";

// A record in the JSON of our own routes. Written by hand: it is the one place where a request's time grows with its
// records.

export const RecordSchema = z
  .object({
    offset: z.int(),
    timestamp: z.int().meta({ description: "Milliseconds since 1970; -1 for none." }),
    key: z.string().nullable().meta({ description: "base64", contentEncoding: "base64" }),
    value: z.string().nullable().meta({ description: "base64", contentEncoding: "base64" }),
    headers: z.array(z.object({ key: z.string(), value: z.string().nullable() })),
  })
  .meta({ id: "V1Record" });

export const RECORD_EXAMPLE = { offset: 12, timestamp: 1_795_266_077_443, key: null, value: "Ym9vaw==", headers: [] };

export function recordJson({ offset, timestampMs, key, value, headers }: StoredRecord): string {
  const shown = headers.map((header) => `{"key":${JSON.stringify(header.key)},"value":${bytesJson(header.value)}}`);
  return (
    `{"offset":${offset},"timestamp":${timestampMs},"key":${bytesJson(key)},"value":${bytesJson(value)},` +
    `"headers":[${shown.join(",")}]}`
  );
}

/** base64 needs no escapes. */
function bytesJson(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : `"${base64Of(bytes)}"`;
}
