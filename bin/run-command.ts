import { Argument, Command } from "commander";
import { type SeriesEnds, WORKER_NAMES, type WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { uncleanableRecords } from "./cli/backlog.ts";
import { counted } from "./cli/counted.ts";
import { nearestName } from "./cli/nearest.ts";
import { endWithReader } from "./cli/output.ts";
import { Progress } from "./cli/progress.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";
import { Warnings } from "./cli/warnings.ts";

interface RunOptions {
  readonly dataDir: string;
  readonly now?: boolean;
  readonly json?: boolean;
}

const WHAT_THEY_DO: Readonly<Record<WorkerName, string>> = {
  compactor: "make log segments of what is written ahead, and few of many small ones",
  cleaner: "keep the last record of each key (cleanup.policy=compact)",
  retention: "remove records by retention.ms and retention.bytes",
  garbage: "delete objects that nothing refers to",
  replicator: "bring stores what they lack",
  expirer: "expire silent members of groups, committed offsets and idle producers",
};

/** `millrace run`: one of the scheduled workers, by hand. */
export function runCommand(): Command {
  const workers = WORKER_NAMES.map((name) => `  ${name.padEnd(11)} ${WHAT_THEY_DO[name]}`).join("\n");
  return new Command("run")
    .description("run one of the scheduled workers on a data directory, once")
    .addArgument(new Argument("<WORKER>", "which one").argParser(workerNamed))
    .requiredOption("--data-dir <DIR>", "the brokers' data directory; they may be running")
    .option("--now", "ignore ages, sizes and schedules, and go on until nothing is left to do")
    .option("--json", "the result as one JSON object")
    .addHelpText(
      "after",
      `\n${workers}\n\nAny number may run at once, and be killed at any moment: what is half done is done again or is garbage.` +
        "\n--now never deletes what somebody may still refer to. What comes after the compactor has begun it leaves." +
        "\nRecords are kept as long as the topics say, else the broker configs: those set while brokers run, and those that" +
        "\nthe last `millrace serve` on this directory was started with. With --now the cleaner cleans segments only: run the" +
        "\ncompactor before it. Exit status 0: done; 1: something is left undone, and stderr says why.",
    )
    .action(runWorker);
}

function workerNamed(typed: string): WorkerName {
  const found = WORKER_NAMES.find((name) => name === typed);
  if (found !== undefined) return found;
  const nearest = nearestName(typed, WORKER_NAMES);
  const meant = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  throw new UsageError(`there is no worker ${typed}${meant || "."} There are ${WORKER_NAMES.join(", ")}`);
}

async function runWorker(name: WorkerName, options: RunOptions): Promise<void> {
  endWithReader();
  const { openDataDirBroker } = await import("./data-dir-broker.ts");
  await using opened = new AsyncDisposableStack();
  const warnings = new Warnings();
  const { broker } = await openDataDirBroker(options.dataDir, warnings, opened);
  const isForced = options.now === true;
  const { signal } = new AbortController();
  const ends: SeriesEnds = new Map();
  let changes = 0;
  let runs = 0;
  let warned = 0;
  {
    using _progress = new Progress(() => `${name}: ${counted(changes, "change")} in ${counted(runs, "run")}`);
    for (let isOver = false; !isOver; runs++) {
      const warnedBefore = warnings.count;
      const changed = await broker.chores.work(name, { isForced, ends, signal });
      changes += changed;
      isOver = changed === 0 || !isForced;
      // What an earlier run could not do, this one has done or warned of again.
      warned = changed === 0 ? warnings.count - warnedBefore : 0;
    }
  }
  const text =
    options.json === true ? JSON.stringify({ worker: name, changes, runs }) : `${name}: ${counted(changes, "change")}`;
  process.stdout.write(`${text}\n`);
  if (name === "cleaner" && isForced) {
    const records = await uncleanableRecords(broker.services, signal);
    if (records > 0) process.stderr.write(`${adviceFor(records, options.dataDir)}\n`);
  }
  if (warned > 0) throw new CommandFailure(`the ${name} has left something undone: see the warnings above`);
}

function adviceFor(records: number, dataDir: string): string {
  const are = `${counted(records, "record")} of compacted topics ${records === 1 ? "is" : "are"} not in log segments yet`;
  return `${are}: millrace run compactor --data-dir ${dataDir} --now, then this again`;
}
