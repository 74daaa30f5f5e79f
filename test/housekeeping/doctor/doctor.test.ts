import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Finding, Findings } from "#lib/housekeeping/doctor/finding.ts";
import { assert } from "#lib/util/assert.ts";
import { SNAPSHOT_RECORDS_MIN } from "#lib/util/limits.ts";
import { examineDataDir } from "../../../bin/examine-data-dir.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { type DataDir, writeDataDir } from "./data-dir.ts";

const NEVER = new AbortController().signal;
const root = mkdtempSync(join(tmpdir(), "millrace-doctor-"));
const original = join(root, "original");
let data: DataDir;
let copies = 0;

beforeAll(async () => {
  data = await writeDataDir(original);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** What doctor finds in a copy of the directory after `damage`. */
async function examined(damage: (dataDir: string) => void) {
  const dataDir = join(root, `copy-${copies++}`);
  cpSync(original, dataDir, { recursive: true });
  damage(dataDir);
  const found: Finding[] = [];
  const findings = new Findings((finding) => found.push(finding));
  await examineDataDir(dataDir, findings, NEVER);
  rmSync(dataDir, { recursive: true, force: true });
  return { found, kinds: [...new Set(found.map((finding) => finding.kind))], tally: findings.tally };
}

function flip(path: string, at: (bytes: Buffer) => number): void {
  const bytes = readFileSync(path);
  const position = at(bytes);
  bytes[position] = (bytes[position] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

/** SQLite leaves old copies behind when it splits a page, so the byte is flipped in all of them. */
function flipAll(path: string, pattern: Uint8Array, offset: number): void {
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + 1)) {
    bytes[at + offset] = (bytes[at + offset] ?? 0) ^ 0x10;
  }
  writeFileSync(path, bytes);
}

const objectPath = (dataDir: string) => join(dataDir, "store-0", data.objectKey);
const journalPath = (dataDir: string) => join(dataDir, "journal.sqlite");

function sql(dataDir: string, statement: string): void {
  const db = new DatabaseSync(journalPath(dataDir));
  db.exec(statement);
  db.close();
}

test("a whole data directory has no finding, and everything in it is counted", async () => {
  const { found, tally } = await examined(() => {});
  expect(found).toEqual([]);
  expect(tally).toMatchObject({ journals: 3, snapshots: 1, partitions: 2, orphans: 1, objects: 2, findings: 0 });
  expect(tally.batches).toBe(SNAPSHOT_RECORDS_MIN + 3);
  expect(tally.records).toBe(2 + 2 * 2 + SNAPSHOT_RECORDS_MIN + 1 + 2 + 1);
});

describe("a flipped byte of an object is found", () => {
  const places: readonly (readonly [string, (bytes: Buffer) => number])[] = [
    ["its header", () => 9],
    ["a batch's header before its CRC's range", () => 28 + 15],
    ["a batch's CRC", () => 28 + 18],
    ["a batch's facts", () => 28 + 45],
    ["a batch's records", () => 28 + 70],
    ["its footer", (bytes) => bytes.byteLength - 40],
    ["its trailer", (bytes) => bytes.byteLength - 12],
    ["its last byte", (bytes) => bytes.byteLength - 1],
  ];
  test.each(places)("in %s", async (_, at) => {
    const { kinds, found } = await examined((dataDir) => flip(objectPath(dataDir), at));
    expect(kinds).toContain("object-damaged");
    expect(found[0]?.where).toContain(data.objectKey);
  });

  test("wherever it lies", async () => {
    const { byteLength } = readFileSync(objectPath(original));
    for (let at = 0; at < byteLength; at += 23) {
      const { found } = await examined((dataDir) => flip(objectPath(dataDir), () => at));
      expect(found.length, `byte ${at}`).toBeGreaterThan(0);
    }
  });
});

describe("an object", () => {
  test("that is gone is missing once, though two journals name it", async () => {
    const { found } = await examined((dataDir) => rmSync(objectPath(dataDir)));
    expect(found.map((finding) => finding.kind)).toEqual(["object-missing"]);
  });

  test("that is cut is damaged", async () => {
    const { kinds } = await examined((dataDir) => truncateSync(objectPath(dataDir), 100));
    expect(kinds).toContain("object-damaged");
  });

  test("is looked at even where the record that names it is damaged", async () => {
    const { kinds } = await examined((dataDir) => {
      sql(dataDir, "DELETE FROM records WHERE key = (SELECT id FROM journals WHERE name = 'log-1') * (1 << 40) + 2");
      rmSync(objectPath(dataDir));
    });
    expect(kinds).toEqual(["journal-hole", "object-missing"]);
  });
});

describe("a snapshot", () => {
  test("with a flipped byte is damaged", async () => {
    const { kinds } = await examined((dataDir) => flip(join(dataDir, "store-0", data.snapshotKey), () => 300));
    expect(kinds).toEqual(["object-damaged"]);
  });

  test("that is gone is missing", async () => {
    const { kinds } = await examined((dataDir) => rmSync(join(dataDir, "store-0", data.snapshotKey)));
    expect(kinds).toEqual(["object-missing"]);
  });

  test("with a flipped byte in its pointer is found", async () => {
    const { kinds } = await examined((dataDir) => flip(journalPath(dataDir), (bytes) => bytes.indexOf("MRP1") + 30));
    expect(kinds).toEqual(["snapshot-pointer"]);
  });

  test("lets the walk go on behind a damaged record", async () => {
    const { found } = await examined((dataDir) =>
      sql(dataDir, "DELETE FROM records WHERE key = (SELECT id FROM journals WHERE name = 'log-0') * (1 << 40) + 20"),
    );
    expect(found.map((finding) => finding.kind)).toEqual(["journal-hole"]);
    expect(found[0]?.what).toContain("records 20 to 20 are missing");
  });
});

describe("a journal", () => {
  test("with a flipped byte in a record is found, in the record's every part", async () => {
    const db = new DatabaseSync(journalPath(original), { readOnly: true });
    const record = db.prepare("SELECT bytes FROM records ORDER BY key LIMIT 1 OFFSET 30").get()?.["bytes"];
    db.close();
    assert(record instanceof Uint8Array);
    for (let offset = 0; offset < record.byteLength; offset += 13) {
      const { kinds } = await examined((dataDir) => flipAll(journalPath(dataDir), record, offset));
      expect(kinds, `byte ${offset}`).toContain("journal-record");
    }
  });

  test("that lacks its first records without a trim mark is found", async () => {
    const { kinds } = await examined((dataDir) =>
      sql(dataDir, "DELETE FROM records WHERE key = (SELECT id FROM journals WHERE name = 'log-1') * (1 << 40) + 1"),
    );
    expect(kinds).toEqual(expect.arrayContaining(["journal-file", "journal-start"]));
  });

  test("whose record says other outcomes than its commands have is found", async () => {
    const { kinds } = await examined((dataDir) =>
      // Records 1 and 2 change places with whole checksums: only the chain of outcomes tells.
      sql(
        dataDir,
        `UPDATE records SET bytes = (SELECT bytes FROM records WHERE key = (SELECT id FROM journals WHERE name = 'log-1') * (1 << 40) + 1)
         WHERE key = (SELECT id FROM journals WHERE name = 'log-1') * (1 << 40) + 2`,
      ),
    );
    expect(kinds).toEqual(["journal-outcomes"]);
  });

  test("with a name that no journal has is found", async () => {
    const { kinds } = await examined((dataDir) =>
      sql(dataDir, "UPDATE journals SET name = 'lof-1' WHERE name = 'log-1'"),
    );
    expect(kinds).toContain("journal-name");
  });

  test("of groups is folded like the others: commands of another kind of journal are found in it", async () => {
    const { found, kinds } = await examined((dataDir) =>
      sql(dataDir, "UPDATE journals SET name = 'group-1' WHERE name = 'log-1'"),
    );
    expect(kinds).not.toContain("journal-name");
    expect(found.filter(({ where }) => where.includes("group-1")).map(({ kind }) => kind)).toContain("journal-record");
  });

  test("whose last records are gone is found by its snapshot", async () => {
    const { kinds } = await examined((dataDir) =>
      sql(
        dataDir,
        "DELETE FROM records WHERE key / (1 << 40) = (SELECT id FROM journals WHERE name = 'log-0') AND key % (1 << 40) > 50",
      ),
    );
    expect(kinds).toContain("journal-end");
  });

  test("file that is no database is a finding, not a crash", async () => {
    const { kinds } = await examined((dataDir) => writeFileSync(journalPath(dataDir), "not a database".repeat(100)));
    expect(kinds).toEqual(["journal-file"]);
  });

  test("file with a damaged page anywhere never makes doctor crash", async () => {
    const { byteLength } = readFileSync(journalPath(original));
    const random = new SeededRandom(3);
    let silent = 0;
    for (let round = 0; round < 40; round++) {
      const at = random.below(byteLength);
      const { found } = await examined((dataDir) => flip(journalPath(dataDir), () => at));
      if (found.length === 0) silent++;
    }
    // Bytes that SQLite leaves unused lie in every page; what it uses is told.
    expect(silent).toBeLessThan(20);
  });
});

describe("a store that is away", () => {
  const store = (dataDir: string) => join(dataDir, "store-0");
  const ways: readonly (readonly [string, (dataDir: string) => void])[] = [
    ["its directory is gone", (dataDir) => rmSync(store(dataDir), { recursive: true })],
    [
      "a plain file is in its place",
      (dataDir) => {
        rmSync(store(dataDir), { recursive: true });
        writeFileSync(store(dataDir), "");
      },
    ],
    [
      "its directory is empty, as where nothing is mounted",
      (dataDir) => {
        rmSync(store(dataDir), { recursive: true });
        mkdirSync(store(dataDir));
      },
    ],
  ];
  test.each(ways)("is named as such, and nothing in it called lost: %s", async (_, away) => {
    const { found } = await examined(away);
    expect(found.map(({ kind, where }) => [kind, where])).toEqual([["store-away", "store 0"]]);
    expect(found[0]?.what).toMatch(/it is away .*: 2 needed objects have copies there, 2 of them nowhere else/);
  });
});

describe("a store's marker", () => {
  test("with a flipped byte is found, whichever it is", async () => {
    const { byteLength } = readFileSync(join(original, "store-0", "marker.json"));
    for (let at = 0; at < byteLength; at += 7) {
      const { kinds } = await examined((dataDir) => flip(join(dataDir, "store-0", "marker.json"), () => at));
      expect(kinds, `byte ${at}`).toEqual(["store-marker"]);
    }
  });

  test("is missed where only it is gone", async () => {
    const { kinds } = await examined((dataDir) => rmSync(join(dataDir, "store-0", "marker.json")));
    expect(kinds).toEqual(["store-marker"]);
  });
});
