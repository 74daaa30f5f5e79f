import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROOT, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

test("a journal that is closed while a read is under way keeps its process alive until it is closed", async () => {
  using directory = new TemporaryDirectory();
  const script = `
    const load = (path) => import(${JSON.stringify(ROOT)} + path);
    const { SqliteJournal } = await load("lib/adapters/local/sqlite-journal.ts");
    const { SystemClock } = await load("lib/adapters/node/system-clock.ts");
    const path = "${directory.file("journal.sqlite")}";
    const journal = await SqliteJournal.open({ path, clock: new SystemClock() });
    const reading = journal.last("log-0", new AbortController().signal);
    await new Promise(setImmediate);
    await journal.close();
    await reading;
    console.log("closed");`;
  const file = directory.file("close.mjs");
  writeFileSync(file, script);
  await using child = new ServeProcess([process.execPath, file]);
  const { code, stdout } = await child.ended;
  expect([code, stdout]).toEqual([0, "closed\n"]);
});
