import { describe, expect, test } from "vitest";
import { encodeCommandObject } from "#lib/journal/command-object.ts";
import { COMMAND_KIND, encodeEnvelope, encodeRecord } from "#lib/journal/command-record.ts";
import { encodePointer, snapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { formatRecordView, viewRecord } from "../../bin/cli/journal-view.ts";

const object = (key: string) => ({ key, byteLength: 9, hash: new Uint8Array(32), copies: [0, 2] });
const TAKEN = { takenAtMs: Date.UTC(2026, 0, 2), journalBytes: 700, object: object("journals/s") };

describe("a record of a journal for people", () => {
  test("shows a pointer to a snapshot", () => {
    const bytes = encodePointer(snapshotPointer({ seq: 5, ...TAKEN }));
    const view = viewRecord("log-3/snapshots", { seq: 5, bytes });
    expect(view.pointer).toEqual({
      takenAt: "2026-01-02T00:00:00.000Z",
      journalBytes: 700,
      object: { key: "journals/s", byteLength: 9, sha256: "00".repeat(32), copies: [0, 2] },
    });
  });

  test("shows the archive behind an older snapshot", () => {
    const chunks = [7, 9].map((lastSeq) => ({ lastSeq, object: object(`journals/a${lastSeq}`) }));
    const pointer = { ...snapshotPointer({ seq: 5, ...TAKEN }), seq: 9, chunks };
    const view = viewRecord("log-3/snapshots", { seq: 9, bytes: encodePointer(pointer) });
    expect(view.pointer).toMatchObject({
      snapshotSeq: 5,
      archive: [{ lastSeq: 7 }, { lastSeq: 9, object: { key: "journals/a9" } }],
    });
    expect(formatRecordView(view)).toMatch(/^9 {2}\d+ bytes {2}snapshot takenAt=\S+ .*snapshotSeq=5 archive=/);
  });

  test("shows where a large command lies", () => {
    const fields = { id: new Uint8Array(16), proposedAtMs: 1_000, kind: COMMAND_KIND.object };
    const command = { foldedSeq: 40, object: object("journals/c") };
    const encoded = encodeEnvelope(fields, (writer) => encodeCommandObject(command, writer), new ByteWriter());
    const view = viewRecord("log-3", { seq: 41, bytes: encodeRecord(0, [encoded]) });
    expect(view.commands).toEqual([
      expect.objectContaining({
        kind: "in-object",
        foldedSeq: 40,
        object: expect.objectContaining({ key: "journals/c" }),
      }),
    ]);
  });
});
