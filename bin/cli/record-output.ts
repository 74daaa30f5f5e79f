import { isUtf8 } from "node:buffer";
import type { ReadRecord } from "#lib/client/topic-reader.ts";
import type { RecordHeader } from "#lib/record/record.ts";

export const OUTPUT_FORMATS = ["value", "key-value", "json"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export interface OutputStyle {
  readonly format: OutputFormat;
  readonly keySeparator: Uint8Array;
  /** What stands for a null key or value, except in JSON. */
  readonly nullText: string;
}

/** One record as it goes to stdout, with its line feed. */
export function formatRecord(read: ReadRecord, style: OutputStyle): readonly (Uint8Array | string)[] {
  const { key, value } = read.record;
  switch (style.format) {
    case "value":
      return [value ?? style.nullText, "\n"];
    case "key-value":
      return [key ?? style.nullText, style.keySeparator, value ?? style.nullText, "\n"];
    case "json":
      return [`${JSON.stringify(jsonOf(read))}\n`];
  }
}

function jsonOf({ partition, record }: ReadRecord): object {
  const { offset, timestampMs, key, value, headers } = record;
  return {
    partition,
    offset,
    timestamp: timestampMs,
    ...textOrBase64("key", key),
    ...textOrBase64("value", value),
    headers: headers.map((header) => headerOf(header)),
  };
}

function headerOf({ key, value }: RecordHeader): object {
  return { key, ...textOrBase64("value", value) };
}

/** Text if the bytes are UTF-8, else base64 with a field beside it that says so. */
function textOrBase64(name: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return { [name]: buffer.toString("utf8") };
  return { [name]: buffer.toString("base64"), [`${name}Encoding`]: "base64" };
}
