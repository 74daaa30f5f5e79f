import { expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { JournalInlineReader } from "#lib/log/entry-inline-reader.ts";
import { TailCache } from "#lib/log/tail-cache.ts";
import { journalId } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";

const PLACE = { seq: 1, indexInRecord: 0 };

/** Over a journal whose answers take an hour. */
function newReader() {
  const clock = new ManualClock();
  const journal = new MemoryJournalService(clock).connect({ next: () => ({ kind: "slow", ms: 3_600_000 }) });
  return { clock, reader: new JournalInlineReader({ journal, tailCache: new TailCache(1_000), clock }) };
}

test("a journal that does not answer is unavailable", async () => {
  const { clock, reader } = newReader();
  const read = reader.read(journalId("log-0"), PLACE, new AbortController().signal);
  await expect(clock.run(read)).rejects.toMatchObject({ kind: "unavailable" });
  expect(clock.monotonicMs()).toBeLessThan(60_000);
});

test("who gives up waits no more for a read that others share", async () => {
  const { clock, reader } = newReader();
  const others = reader.read(journalId("log-0"), PLACE, new AbortController().signal);
  const stop = new AbortController();
  const read = reader.read(journalId("log-0"), PLACE, stop.signal);
  stop.abort(new Error("the client is gone"));
  await expect(read).rejects.toThrow("the client is gone");
  await expect(clock.run(others)).rejects.toMatchObject({ kind: "unavailable" });
});
