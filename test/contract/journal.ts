import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Journal, JournalPage, ReadOptions } from "#lib/journal/journal.ts";
import { journalId } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { JOURNAL_RECORD_BYTES_MAX } from "#lib/util/limits.ts";

export interface JournalUnderTest {
  readonly journal: Journal;
  /** Another process' handle on the same journals. */
  readonly other: Journal;
  close(): Promise<void>;
}

const NEVER = new AbortController().signal;
const A = journalId("log-0");
const B = journalId("log-0/snapshots");

export interface JournalContractOptions {
  /** Whether the service itself refuses trimmed numbers; where it does not, they are simply absent. Default: true. */
  readonly checksTrimMark?: boolean;
  /** How many records are many. */
  readonly manyRecords?: number;
  /** How many appends the service takes at once. */
  readonly manyAtOnce?: number;
}

/** What every implementation of `Journal` does. */
export function journalContract(
  name: string,
  makeJournal: () => Promise<JournalUnderTest>,
  options: JournalContractOptions = {},
): void {
  const { checksTrimMark = true, manyRecords = 2_500, manyAtOnce = manyRecords } = options;
  describe(`${name} keeps the journal contract`, () => {
    let made: JournalUnderTest;
    let journal: Journal;
    beforeEach(async () => {
      made = await makeJournal();
      journal = made.journal;
    });
    afterEach(() => made.close());

    const append = (seq: number, bytes: Uint8Array, id = A) => journal.append(id, seq, bytes, NEVER);
    const read = (options: Partial<ReadOptions> = {}, id = A) => readFrom(journal, options, id);
    const fill = async (count: number, size = 8) => {
      for (let seq = 1; seq <= count; seq++) await append(seq, bytesOf(seq, size));
    };

    test("an empty journal has no records and no last one", async () => {
      expect(await read()).toMatchObject({ records: [], isTruncated: false });
      expect((await journal.last(A, NEVER)).records).toEqual([]);
    });

    test("an appended record is read back byte for byte", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
      expect((await append(1, bytes)).kind).toBe("appended");
      expect(plain(await read())).toEqual([[1, Buffer.from(bytes).toString("hex")]]);
    });

    test("a second append at a number meets the record that stands there", async () => {
      await append(1, bytesOf(1));
      const result = await append(1, bytesOf(2));
      expect(result.kind).toBe("conflict");
      expect(result.kind === "conflict" && Buffer.from(result.existing)).toEqual(Buffer.from(bytesOf(1)));
      expect(plain(await read())).toEqual([[1, hex(bytesOf(1))]]);
    });

    test("the identical append again is a conflict with our own bytes", async () => {
      await append(1, bytesOf(1));
      const result = await made.other.append(A, 1, bytesOf(1), NEVER);
      expect(result.kind === "conflict" && Buffer.from(result.existing)).toEqual(Buffer.from(bytesOf(1)));
    });

    test("of parallel appends at one number exactly one wins and all others meet it", async () => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? journal : made.other).append(A, 1, bytesOf(index), NEVER),
        ),
      );
      const winners = results.flatMap((result, index) => (result.kind === "appended" ? [index] : []));
      expect(winners).toHaveLength(1);
      const standing = Buffer.from(bytesOf(winners[0] ?? -1));
      for (const result of results) {
        if (result.kind === "conflict") expect(Buffer.from(result.existing)).toEqual(standing);
      }
      expect(plain(await read())).toEqual([[1, standing.toString("hex")]]);
    });

    test("a strong read through any handle sees every append that was answered", async () => {
      for (let seq = 1; seq <= 20; seq++) {
        await append(seq, bytesOf(seq));
        const page = await readFrom(made.other, { from: seq }, A);
        expect(page.records.map((record) => record.seq)).toEqual([seq]);
      }
    });

    test("a read begins where it is asked to and keeps to its number of records", async () => {
      await fill(10);
      const page = await read({ from: 4, recordsMax: 3 });
      expect(page.records.map((record) => record.seq)).toEqual([4, 5, 6]);
      expect(page.isTruncated).toBe(true);
      const rest = await read({ from: 7, recordsMax: 4 });
      expect(rest.records.map((record) => record.seq)).toEqual([7, 8, 9, 10]);
      expect(rest.isTruncated).toBe(false);
    });

    test("a read keeps to its bytes, but gives one record even if that is larger", async () => {
      await fill(5, 1_000);
      expect((await read({ bytesMax: 2_500 })).records.map((record) => record.seq)).toEqual([1, 2]);
      const single = await read({ from: 2, bytesMax: 10 });
      expect(single.records.map((record) => record.seq)).toEqual([2]);
      expect(single.isTruncated).toBe(true);
    });

    test("the last record is the one with the highest number", async () => {
      await fill(12);
      const page = await journal.last(A, NEVER);
      expect(plain(page)).toEqual([[12, hex(bytesOf(12))]]);
    });

    test("numbers need not be dense", async () => {
      await append(256, bytesOf(1));
      await append(512, bytesOf(2));
      expect((await read({ from: 1 })).records.map((record) => record.seq)).toEqual([256, 512]);
      expect((await append(300, bytesOf(3))).kind).toBe("appended");
      expect((await read({ from: 257 })).records.map((record) => record.seq)).toEqual([300, 512]);
    });

    test("a trim removes what lies at or below its number and nothing else", async () => {
      await fill(10);
      await journal.trim(A, 4, NEVER);
      expect((await read({ from: 1 })).records.map((record) => record.seq)).toEqual([5, 6, 7, 8, 9, 10]);
      expect((await append(5, bytesOf(99))).kind).toBe("conflict");
      expect((await append(11, bytesOf(11))).kind).toBe("appended");
    });

    test.runIf(checksTrimMark)("a trimmed number is refused from then on", async () => {
      await fill(10);
      await journal.trim(A, 6, NEVER);
      await journal.trim(A, 2, NEVER);
      for (const seq of [1, 4, 6]) expect((await made.other.append(A, seq, bytesOf(99), NEVER)).kind).toBe("trimmed");
    });

    test("a trim never removes the newest record", async () => {
      await fill(3);
      await journal.trim(A, 1_000, NEVER);
      expect((await read()).records.map((record) => record.seq)).toEqual([3]);
      expect((await append(4, bytesOf(4))).kind).toBe("appended");
      await journal.trim(B, 5, NEVER);
      expect((await append(1, bytesOf(1), B)).kind).toBe("appended");
    });

    test("a trim may be repeated, and a lower one changes nothing", async () => {
      await fill(10);
      await journal.trim(A, 6, NEVER);
      await journal.trim(A, 6, NEVER);
      await journal.trim(A, 2, NEVER);
      expect((await read()).records.map((record) => record.seq)).toEqual([7, 8, 9, 10]);
    });

    test("a trim of many records leaves the rest alone", async () => {
      const seqs = Array.from({ length: manyRecords }, (_, index) => index + 1);
      await mapInChunks(seqs, manyAtOnce, (seq) => append(seq, bytesOf(seq)));
      const upTo = manyRecords - 100;
      await journal.trim(A, upTo, NEVER);
      const page = await read({ recordsMax: 1 });
      expect(page.records.map((record) => record.seq)).toEqual([upTo + 1]);
      expect((await append(upTo - 99, bytesOf(0))).kind).toBe(checksTrimMark ? "trimmed" : "appended");
    });

    test("the largest record goes through unchanged", async () => {
      const bytes = Uint8Array.from({ length: JOURNAL_RECORD_BYTES_MAX }, (_, at) => (at * 31) & 0xff);
      await append(1, bytes);
      const [record] = (await read()).records;
      expect(Buffer.compare(record?.bytes ?? new Uint8Array(0), bytes)).toBe(0);
    });

    test("many journals do not mix", async () => {
      const ids = Array.from({ length: 50 }, (_, index) => journalId(`log-${index}`));
      for (const seq of [1, 2]) {
        await Promise.all(ids.map((id, index) => append(seq, bytesOf(index * 10 + seq), id)));
      }
      for (const [index, id] of ids.entries()) {
        expect(plain(await read({}, id))).toEqual([
          [1, hex(bytesOf(index * 10 + 1))],
          [2, hex(bytesOf(index * 10 + 2))],
        ]);
      }
    });

    test("answers carry times that do not go back", async () => {
      const first = await append(1, bytesOf(1));
      const second = await journal.last(A, NEVER);
      expect(first.signedAtMs).toBeLessThanOrEqual(first.servedAtMs);
      expect(second.servedAtMs).toBeGreaterThanOrEqual(first.servedAtMs);
    });

    test("a call whose signal has aborted is refused with the signal's reason", async () => {
      const reason = new Error("given up");
      await expect(journal.append(A, 1, bytesOf(1), AbortSignal.abort(reason))).rejects.toBe(reason);
      expect((await read()).records).toEqual([]);
    });
  });
}

function readFrom(journal: Journal, options: Partial<ReadOptions>, id = A): Promise<JournalPage> {
  const defaults: ReadOptions = { from: 1, recordsMax: 10_000, bytesMax: 64_000_000, consistency: "strong" };
  return journal.read(id, { ...defaults, ...options }, NEVER);
}

function bytesOf(value: number, size = 8): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => (value * 7 + at) & 0xff);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function plain(page: JournalPage): (readonly [number, string])[] {
  return page.records.map((record) => [record.seq, hex(record.bytes)] as const);
}
