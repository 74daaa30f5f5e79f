import { describe, expect, test } from "vitest";
import { COMMAND_KIND, decodeRecord, encodeEnvelope, encodeRecord, envelopeBody } from "#lib/journal/command-record.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";

const scratch = new ByteWriter();

function envelope(id: number, body: string): Uint8Array {
  const fields = { id: new Uint8Array(16).fill(id), proposedAtMs: 1_700_000_000_000 + id, kind: COMMAND_KIND.machine };
  return encodeEnvelope(fields, (writer) => writer.bytes(Buffer.from(body)), scratch);
}

describe("a journal record", () => {
  test("gives back its checksum and its commands in order", () => {
    const record = decodeRecord(
      encodeRecord(0xdeadbeef, [envelope(1, "first"), envelope(2, ""), envelope(3, "third")]),
    );
    expect(record.checksumBefore).toBe(0xdeadbeef);
    expect(record.commands.map(({ body }) => Buffer.from(body).toString())).toEqual(["first", "", "third"]);
    expect(record.commands.map(({ proposedAtMs }) => proposedAtMs - 1_700_000_000_000)).toEqual([1, 2, 3]);
    expect(record.commands.map(({ id }) => id[15])).toEqual([1, 2, 3]);
  });

  test("shows a flipped bit wherever it is", () => {
    const bytes = encodeRecord(7, [envelope(1, "hello"), envelope(2, "world")]);
    for (let at = 0; at < bytes.byteLength; at++) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      expect(() => decodeRecord(flipped), `byte ${at}`).toThrow(DecodeError);
    }
  });

  test("cut short anywhere is refused", () => {
    const bytes = encodeRecord(7, [envelope(1, "hello")]);
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(() => decodeRecord(bytes.subarray(0, length)), `${length} bytes`).toThrow(DecodeError);
    }
  });

  test("carries bodies as views, not as copies", () => {
    const bytes = encodeRecord(0, [envelope(1, "inlined batch")]);
    const [command] = decodeRecord(bytes).commands;
    expect(command?.body.buffer).toBe(bytes.buffer);
    expect(Buffer.from(envelopeBody(envelope(1, "inlined batch"))).toString()).toBe("inlined batch");
  });

  test("has the drawn layout", () => {
    const bytes = encodeRecord(0x01020304, [envelope(9, "ab")]);
    expect(Buffer.from(bytes.subarray(0, 8)).toString("hex")).toBe("4d524a3101020304");
    expect(Buffer.from(bytes.subarray(8, -4)).toString("hex")).toBe(
      `${"09".repeat(16)}0000018bcfe56809${"00"}${"00000002"}6162`,
    );
  });
});
