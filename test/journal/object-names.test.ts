import { describe, expect, test } from "vitest";
import { objectName, parseObjectName } from "#lib/journal/object-names.ts";
import { journalObjectKey, parseJournalObjectKey } from "#lib/storage/object-keys.ts";
import { journalId } from "#lib/util/branded.ts";

describe("names of journals' objects", () => {
  test.each(["snapshots", "archive", "commands"] as const)("read back from a key: %s", (kind) => {
    const name = objectName(journalId("log-3"), kind, 41);
    expect(name).toBe(`log-3/${kind}/00000000000000000041`);
    const key = journalObjectKey({ uploadEpoch: 497_000, name, random: Buffer.alloc(8, 1) });
    expect(parseJournalObjectKey(key)).toEqual({ uploadEpoch: 497_000, name });
    expect(parseObjectName(name)).toEqual({ journal: "log-3", kind, seq: 41 });
  });

  test.each([
    "",
    "log-3/snapshots",
    "log-3/snapshots/41",
    "log-3/letters/00000000000000000041",
    "log-3/snapshots/99999999999999999999",
    "a/log-3/snapshots/00000000000000000041",
    "log-3/snapshots/00000000000000000041/x",
  ])("of another form are nobody's: %s", (name) => {
    expect(parseObjectName(name)).toBeUndefined();
  });

  test("keys of other kinds are none", () => {
    expect(parseJournalObjectKey("wal/0000497000/log-3/snapshots/0101010101010101")).toBeUndefined();
    expect(parseJournalObjectKey("journals/497000/log-3/snapshots/0101010101010101")).toBeUndefined();
    expect(parseJournalObjectKey("journals/0000497000/0101010101010101")).toBeUndefined();
    expect(parseJournalObjectKey("journals/0000497000/a//b/0101010101010101")).toBeUndefined();
  });
});
