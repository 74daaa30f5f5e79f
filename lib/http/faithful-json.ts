import { HttpError } from "./http-error.ts";

// JSON whose numbers come out as they went in. JavaScript's numbers hold 15 digits; a client that sends
// 12345678901234567890 as part of a record finds it so when it reads the record.

declare global {
  interface JSON {
    /** A value that JSON.stringify writes as `text` (ECMAScript's JSON.parse source text access). */
    rawJSON(text: string): unknown;
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string | undefined }) => unknown,
    ): unknown;
  }
}

/** Whether some number in the text may not fit: many digits in a row, or an exponent. */
const MAY_LOSE = /[\d.]{16}|\d[eE][+-]?\d/;

/** Like JSON.parse, but numbers that would change are kept as their text for JSON.stringify. */
export function parseFaithfully(text: string): unknown {
  if (!MAY_LOSE.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value, { source }) => {
    if (typeof value !== "number" || source === undefined || String(value) === source) return value;
    return JSON.rawJSON(source);
  });
}

/** The value as JSON text in UTF-8. Fails with 422 for one that is nested more deeply than the platform can follow. */
export function jsonBytesOf(value: unknown): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(value));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new HttpError({ status: 422, message: "A record is nested too deeply.", cause });
  }
}
