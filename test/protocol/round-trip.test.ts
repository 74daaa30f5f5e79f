import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALL_APIS } from "#lib/protocol/apis.ts";
import { decodeFrom, encode } from "#lib/protocol/codec.ts";
import { ProtocolReader } from "#lib/protocol/protocol-reader.ts";
import { arbitraryInput, joined, versionsOf } from "./arbitrary.ts";

describe.each(ALL_APIS)("$name", ({ request, response }) => {
  test.each([request, response])("$name survives encoding and decoding in every version", (message) => {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(arbitraryInput(message, version), (input) => {
          const bytes = joined(encode(message, version, input));
          const reader = new ProtocolReader(bytes);
          const decoded = decodeFrom(message, version, reader);
          expect(reader.remaining).toBe(0);
          expectContains(decoded, input);
          expect(joined(encode(message, version, decoded))).toEqual(bytes);
        }),
        { numRuns: 15 },
      );
    }
  });
});

/** Everything that went in came out; a plain comparison would trip over Buffer and Uint8Array being different classes. */
function expectContains(actual: unknown, input: unknown): void {
  if (input instanceof Uint8Array) {
    expect(actual).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(actual as Uint8Array, input)).toBe(0);
  } else if (Array.isArray(input)) {
    expect((actual as unknown[]).length).toBe(input.length);
    for (const [i, element] of input.entries()) expectContains((actual as unknown[])[i], element);
  } else if (typeof input === "object" && input !== null) {
    for (const [name, value] of Object.entries(input)) expectContains((actual as Record<string, unknown>)[name], value);
  } else {
    // -0 has no place on the wire.
    expect(actual === input).toBe(true);
  }
}
