import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALL_APIS } from "#lib/protocol/apis.ts";
import { decode, encode } from "#lib/protocol/codec.ts";
import { FetchRequest } from "#lib/protocol/messages/fetch.ts";
import { MetadataRequest } from "#lib/protocol/messages/metadata.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { parseRequestHeader } from "#lib/protocol/request-header.ts";
import type { Message } from "#lib/protocol/schema.ts";
import { MESSAGE_ELEMENTS_MAX, MIB } from "#lib/util/limits.ts";
import { arbitraryInput, joined, versionsOf } from "./arbitrary.ts";

/** Decodes and says whether it went well; anything but a `ProtocolError` fails the test. */
function isAccepted(message: Message, version: number, bytes: Uint8Array): boolean {
  try {
    decode(message, version, bytes);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return false;
  }
}

const messages = ALL_APIS.flatMap(({ request, response }) => [request, response]);

describe.each(messages)("$name", (message) => {
  test("cut short at any byte is refused", () => {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(arbitraryInput(message, version), fc.nat(), (input, cut) => {
          const bytes = joined(encode(message, version, input));
          if (bytes.byteLength === 0) return;
          expect(isAccepted(message, version, bytes.subarray(0, cut % bytes.byteLength))).toBe(false);
        }),
        { numRuns: 10 },
      );
    }
  });

  test("with changed bytes decodes or is refused, and never fails otherwise", () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(
          arbitraryInput(message, version),
          fc.array(change, { minLength: 1, maxLength: 4 }),
          (input, changes) => {
            const bytes = joined(encode(message, version, input));
            for (const [at, value] of changes) if (bytes.byteLength > 0) bytes[at % bytes.byteLength] = value;
            isAccepted(message, version, bytes);
          },
        ),
        { numRuns: 10 },
      );
    }
  });
});

test("noise is refused as a request header, or read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      try {
        parseRequestHeader(noise);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
  );
});

describe("a count that the bytes cannot hold", () => {
  test("is refused before anything is allocated for it", () => {
    // Two billion topics in a frame of 4 bytes.
    expect(() => decode(MetadataRequest, 1, Buffer.from("7fffffff", "hex"))).toThrow(/array of 2147483647 elements/);
    expect(() => decode(MetadataRequest, 9, Buffer.from("ffffffff0f", "hex"))).toThrow(/array of 4294967294 elements/);
    expect(() => decode(MetadataRequest, 9, Buffer.from("ffffffffff", "hex"))).toThrow(/varint is longer/);
  });

  test("counts the least that each element takes", () => {
    // A topic of Fetch v4 takes 6 bytes at least: name length and partition count.
    const head = "ffffffff000001f400000001000003e800";
    expect(() => decode(FetchRequest, 4, Buffer.from(`${head}00000002${"00".repeat(11)}`, "hex"))).toThrow(
      /array of 2/,
    );
    expect(decode(FetchRequest, 4, Buffer.from(`${head}00000002${"00".repeat(12)}`, "hex")).topics).toHaveLength(2);
  });

  test("is refused if it is negative and not null", () => {
    expect(() => decode(MetadataRequest, 1, Buffer.from("fffffffe", "hex"))).toThrow(/array of -2/);
    expect(() => decode(MetadataRequest, 0, Buffer.from("ffffffff", "hex"))).toThrow(/topics must not be null/);
  });

  test("is refused above the limit of one message, even if the frame is large enough", () => {
    const frame = Buffer.alloc(4 + 2 * (MESSAGE_ELEMENTS_MAX + 1));
    frame.writeInt32BE(MESSAGE_ELEMENTS_MAX + 1);
    expect(() => decode(MetadataRequest, 0, frame)).toThrow(ProtocolError);
  });
});

test("ten thousand broken frames leave the memory flat", () => {
  const huge = Buffer.from("7fffffff00007fff", "hex");
  const decodeAll = () => {
    for (let i = 0; i < 10_000; i++) {
      for (const message of [MetadataRequest, FetchRequest]) isAccepted(message, 4, huge);
    }
  };
  decodeAll();
  const before = process.memoryUsage().arrayBuffers;
  decodeAll();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
});
