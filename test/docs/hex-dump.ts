import { assert } from "#lib/util/assert.ts";

/** One field of a format: how many bytes it has and what they mean. */
export type Field = readonly [byteLength: number, meaning: string];

const BYTES_PER_LINE = 16;

/**
 * Draws `bytes` field by field: position, hexadecimal digits, meaning. A field longer than a line goes on in the next
 * ones. The fields must cover all bytes.
 */
export function dump(bytes: Uint8Array, fields: readonly Field[]): string {
  const lines: string[] = [];
  let at = 0;
  for (const [byteLength, meaning] of fields) {
    for (let done = 0; done < byteLength; done += BYTES_PER_LINE) {
      const count = Math.min(BYTES_PER_LINE, byteLength - done);
      const position = (at + done).toString(16).padStart(4, "0");
      const hex = Buffer.from(bytes.subarray(at + done, at + done + count)).toString("hex");
      lines.push(`${position}  ${hex.padEnd(2 * BYTES_PER_LINE)}  ${done === 0 ? meaning : ""}`.trimEnd());
    }
    at += byteLength;
  }
  assert(at === bytes.byteLength, `the fields have ${at} bytes of ${bytes.byteLength}`);
  return lines.join("\n");
}

/** Text in the spelling of the page: 0x and eight digits. */
export function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
