import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { journalId } from "#lib/util/branded.ts";

// A process to be killed: appends to four journals at once and prints each number when it is answered.

const [path = "", firstLane = "0"] = process.argv.slice(2);
const journal = await SqliteJournal.open({ path, clock: new SystemClock() });
const signal = new AbortController().signal;

async function appendForEver(lane: number): Promise<never> {
  const id = journalId(`log-${lane}`);
  for (let seq = 1; ; seq++) {
    const result = await journal.append(id, seq, Buffer.from(`${lane}:${seq}:${"x".repeat(2_000)}`), signal);
    if (result.kind === "appended") process.stdout.write(`${lane} ${seq}\n`);
  }
}

await Promise.all([0, 1, 2, 3].map((lane) => appendForEver(Number(firstLane) + lane)));
