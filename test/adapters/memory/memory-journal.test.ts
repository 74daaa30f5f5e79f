import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { journalContract } from "../../contract/journal.ts";
import { ManualClock } from "../../support/manual-clock.ts";

journalContract("MemoryJournal", async () => {
  const service = new MemoryJournalService(new ManualClock());
  return { journal: service.connect(), other: service.connect(), close: async () => undefined };
});
