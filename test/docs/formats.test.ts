import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { APPLICATION_ID, SCHEMA_VERSION } from "#lib/adapters/local/sqlite-journal-database.ts";
import { crc32c } from "#lib/record/crc32c.ts";
import { verifyWriteAheadSegment } from "#lib/storage/verify-write-ahead-segment.ts";
import { hex32 } from "./hex-dump.ts";
import { flushId, GROUP, groupJournal, workedExample } from "./worked-example.ts";
import { drawnExample } from "./worked-example-fields.ts";

const page = readFileSync(new URL("../../docs/FORMATS.md", import.meta.url), "utf8");

describe("docs/FORMATS.md", () => {
  test("shows the bytes that the code writes", () => {
    const blocks = [...page.matchAll(/^```\n(0000 {2}[\s\S]*?)\n```$/gm)].map(([, block]) => block);
    expect(blocks).toEqual(drawnExample());
  });

  test("shows a segment that passes verification", () => {
    expect(verifyWriteAheadSegment(workedExample().segment, flushId)).toEqual([]);
  });

  test("computes the chain of checksums as the fold does", () => {
    const { opening, append, commit, checksums } = workedExample();
    const [first, second, third] = checksums;
    const chained = [
      { record: opening, outcomes: "0000", seed: 0, sum: first },
      { record: append, outcomes: "020101000000", seed: first ?? 0, sum: second },
      { record: commit, outcomes: "00", seed: 0, sum: third },
    ];
    for (const { record, outcomes, seed, sum } of chained) {
      const summed = Buffer.concat([record.subarray(-4), Buffer.from(outcomes, "hex")]);
      expect(crc32c(summed, seed)).toBe(sum);
      expect(page).toContain(`\`${summed.toString("hex").replace(/..(?!$)/g, "$& ")}\``);
      expect(page).toContain(`\`${hex32(sum ?? 0)}\``);
    }
  });

  test("names the journal in which its group lives", () => {
    expect(page).toContain(`record 1 of \`${groupJournal}\`, where a group called \`${GROUP}\` lives`);
  });

  test("names the journal file's ids and the checksum's test value", () => {
    expect(page).toContain(`\`PRAGMA application_id\` is \`${hex32(APPLICATION_ID)}\``);
    expect(page).toContain(`\`PRAGMA user_version\` is \`${SCHEMA_VERSION}\``);
    expect(page).toContain(`\`crc32c("123456789")\` = \`${hex32(crc32c(Buffer.from("123456789")))}\``);
  });
});
