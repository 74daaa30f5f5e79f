import type { InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import type { StoredRecord } from "#lib/record/record.ts";
import { base64Of } from "../base64.ts";
import { HttpError } from "../http-error.ts";

// Records as the REST Proxy's v2 shows them, written by hand: the one place where a poll's time grows with its records.

/** 422 with 42216 where the instance shows JSON and the record is none. */
export function recordText(record: StoredRecord, topic: string, at: RecordPlace): string {
  const { key, value, offset } = record;
  const text = at.format === "json" ? jsonText : binaryText;
  const where = { topic, partition: at.partition, offset };
  return (
    `{"topic":${JSON.stringify(topic)},"key":${text(key, where)},"value":${text(value, where)},` +
    `"partition":${at.partition},"offset":${offset}}`
  );
}

export interface RecordPlace {
  readonly partition: number;
  readonly format: InstanceConfig["format"];
}

interface Where {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

function binaryText(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : `"${base64Of(bytes)}"`;
}

/** The very text that was written, so that every digit stays. */
function jsonText(bytes: Uint8Array | null, where: Where): string {
  if (bytes === null) return "null";
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    JSON.parse(text);
    return text;
  } catch (cause) {
    const { topic, partition, offset } = where;
    const message =
      `The record at offset ${offset} of partition ${partition} of ${topic} is not JSON. Read it with an instance of ` +
      `format binary, or go on behind it: POST …/positions with offset ${offset + 1}.`;
    throw new HttpError({ status: 422, errorCode: 42216, message, cause });
  }
}
