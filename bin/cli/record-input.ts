import type { NewRecord, RecordHeader } from "#lib/record/record.ts";
import { parseTime } from "./parse.ts";
import { UsageError } from "./usage-error.ts";

export interface LineFormat {
  readonly keySeparator: Buffer | undefined;
  /** A value of just this text is null: a tombstone. */
  readonly nullValue: string | undefined;
  /** On every record. */
  readonly headers: readonly RecordHeader[];
}

/** A record and where it is to go, if its line says so. */
export interface InputRecord {
  readonly record: NewRecord;
  readonly partition: number | undefined;
}

/** One line as a record. The line's bytes are kept as they are; only `--json` reads them as text. */
export function recordOfLine(line: Buffer, format: LineFormat, nowMs: number): NewRecord {
  let key: Uint8Array | null = null;
  let value: Buffer = line;
  if (format.keySeparator !== undefined) {
    const at = line.indexOf(format.keySeparator);
    if (at < 0) throw new UsageError("the line has no key separator");
    key = line.subarray(0, at);
    value = line.subarray(at + format.keySeparator.byteLength);
  }
  const isNull = format.nullValue !== undefined && value.equals(Buffer.from(format.nullValue));
  return { timestampMs: nowMs, key, value: isNull ? null : value, headers: format.headers };
}

/** `offset` is passed over: `consume` writes it, the broker gives it. */
const JSON_FIELDS = ["key", "keyEncoding", "value", "valueEncoding", "headers", "timestamp", "partition", "offset"];

/**
 * A JSON object as a record: `key`, `value`, `headers`, `timestamp`, `partition`, all optional. Texts are UTF-8 unless
 * `keyEncoding` or `valueEncoding` says "base64"; anything but text and null is written as its JSON.
 */
export function recordOfJson(line: Buffer, format: LineFormat, nowMs: number): InputRecord {
  const fields = objectOf(line.toString("utf8"));
  // A misspelt "value" would otherwise become a tombstone.
  const unknown = [...fields.keys()].find((name) => !JSON_FIELDS.includes(name));
  if (unknown !== undefined) throw new UsageError(`${JSON.stringify(unknown)} is not one of ${JSON_FIELDS.join(", ")}`);
  const partition = fields.get("partition");
  if (partition !== undefined && (typeof partition !== "number" || !Number.isInteger(partition) || partition < 0)) {
    throw new UsageError("partition is not a whole number");
  }
  const record = {
    timestampMs: timestampOf(fields.get("timestamp"), nowMs),
    key: bytesOf(fields.get("key"), fields.get("keyEncoding")),
    value: bytesOf(fields.get("value"), fields.get("valueEncoding")),
    headers: [...format.headers, ...headersOf(fields.get("headers"))],
  };
  return { record, partition };
}

function objectOf(text: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError("the line is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError("the line is no object");
  return new Map<string, unknown>(Object.entries(value));
}

function timestampOf(value: unknown, nowMs: number): number {
  if (value === undefined || value === null) return nowMs;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= -1) return value;
  const parsed = typeof value === "string" ? parseTime(value) : undefined;
  if (parsed === undefined) throw new UsageError("timestamp is neither milliseconds since 1970 nor ISO 8601");
  return parsed;
}

function bytesOf(value: unknown, encoding: unknown): Uint8Array | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") return Buffer.from(JSON.stringify(value));
  if (encoding === undefined || encoding === "utf8") return Buffer.from(value);
  if (encoding !== "base64") throw new UsageError(`encoding "${String(encoding)}" is neither utf8 nor base64`);
  return Buffer.from(value, "base64");
}

/** A list of `{ key, value, valueEncoding }`, as `consume` writes it, or an object of keys and values. */
function headersOf(value: unknown): readonly RecordHeader[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    return value.map((each: unknown) => {
      const fields = new Map<string, unknown>(typeof each === "object" && each !== null ? Object.entries(each) : []);
      const key = fields.get("key");
      if (typeof key !== "string") throw new UsageError("a header has no key");
      return { key, value: bytesOf(fields.get("value"), fields.get("valueEncoding")) };
    });
  }
  if (typeof value !== "object") throw new UsageError("headers are neither a list nor an object");
  return Object.entries(value).map(([key, each]) => ({ key, value: bytesOf(each, undefined) }));
}
