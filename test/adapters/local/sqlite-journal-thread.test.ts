import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { type LogFields, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { journalId } from "#lib/util/branded.ts";

const NEVER = new AbortController().signal;
const LOG = journalId("log-0");

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** A journal, the thread that it began, and what it logged. */
async function opened() {
  const errors: (readonly [string, LogFields | undefined])[] = [];
  const logger = { ...SILENT_LOGGER, error: (text: string, fields?: LogFields) => errors.push([text, fields]) };
  const begun = once(process, "worker");
  const path = join(directory, "journals.db");
  const journal = await SqliteJournal.open({ path, clock: new SystemClock(), logger });
  const [thread] = await begun;
  if (!(thread instanceof Worker)) throw new Error("no thread has begun");
  return { journal, thread, errors, path };
}

test("a journal whose thread dies says once that the broker must be restarted, and refuses everything", async () => {
  const { journal, thread, errors, path } = await opened();
  await journal.append(LOG, 1, Buffer.from("one"), NEVER);
  const pending = expect(journal.append(LOG, 2, Buffer.from("two"), NEVER)).rejects.toThrow(JournalUnavailableError);
  await thread.terminate();
  await pending;
  await expect(journal.last(LOG, NEVER)).rejects.toThrow(/thread has died, restart the broker/);
  expect(errors).toHaveLength(1);
  expect(errors[0]?.[0]).toMatch(/thread of the journal file has died.*restart the broker/);
  expect(errors[0]?.[1]).toMatchObject({ path });
  await journal.close();
  expect(errors).toHaveLength(1);
});

test("a journal that is closed has nothing to complain about", async () => {
  const { journal, errors } = await opened();
  await journal.close();
  expect(errors).toEqual([]);
});
