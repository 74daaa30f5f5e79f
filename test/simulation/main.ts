import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { runGroupSchedule } from "./groups/group-schedule.ts";
import { PLANTED_GROUP_BUGS } from "./groups/planted-group-bugs.ts";
import PLANTED_GROUP_SEEDS from "./groups/planted-group-seeds.json" with { type: "json" };
import { HELP, simulationOptions, type WorldName } from "./options.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import PLANTED_SEEDS from "./planted-seeds.json" with { type: "json" };
import { PLANTED_REPLICA_BUGS } from "./replicas/planted-replica-bugs.ts";
import PLANTED_REPLICA_SEEDS from "./replicas/planted-replica-seeds.json" with { type: "json" };
import { drawReplicaProfile } from "./replicas/replica-profile.ts";
import { runSchedule } from "./schedule.ts";
import { PLANTED_WORKER_BUGS } from "./workers/planted-worker-bugs.ts";
import PLANTED_WORKER_SEEDS from "./workers/planted-worker-seeds.json" with { type: "json" };
import { drawWorkerProfile } from "./workers/worker-profile.ts";

function options() {
  try {
    return simulationOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

const values = options();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

interface Result {
  readonly violations: readonly string[];
  readonly undecided?: number;
  readonly traceHash: string;
  readonly profile: string;
}

type Run = (seed: number, options: { readonly onTrace?: (line: string) => void }) => Promise<Result>;
const RUNS: Readonly<Record<WorldName, Run>> = {
  log: runSchedule,
  groups: runGroupSchedule,
  replicas: (seed, options) => runSchedule(seed, { ...options, draw: drawReplicaProfile }),
  workers: (seed, options) => runSchedule(seed, { ...options, draw: drawWorkerProfile }),
};

let seed = Number(values.from);
process.on("unhandledRejection", (error) => {
  console.error(`seed ${seed}: a failure that nobody hears of`, error);
  process.exit(1);
});

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

/** How far one kind of world has come. */
interface Progress {
  readonly world: WorldName;
  nextSeed: number;
  spentMs: number;
}

/** The kind of world that has had the least time, so that they share it fairly; undefined when all seeds have had theirs. */
function nextOf(progresses: readonly Progress[], endSeed: number): Progress | undefined {
  const left = progresses.filter(({ nextSeed }) => nextSeed < endSeed);
  return left.sort((a, b) => a.spentMs - b.spentMs)[0];
}

async function main(): Promise<number> {
  const from = Number(values.from);
  const endSeed = from + Number(values.seeds);
  const startedMs = Date.now();
  const deadlineMs =
    values.minutes === undefined ? Number.POSITIVE_INFINITY : startedMs + Number(values.minutes) * 60_000;
  let violationCount = 0;
  let undecidedCount = 0;
  let count = 0;
  let shownMs = startedMs;
  const progresses = values.worlds.map((world): Progress => ({ world, nextSeed: from, spentMs: 0 }));
  while (Date.now() < deadlineMs) {
    const progress = nextOf(progresses, endSeed);
    if (progress === undefined) break;
    const beganMs = Date.now();
    seed = progress.nextSeed++;
    const result = await runOne(progress.world, seed);
    progress.spentMs += Date.now() - beganMs;
    count++;
    violationCount += result.violations.length;
    undecidedCount += result.undecided ?? 0;
    if (Date.now() - shownMs > 10_000) {
      shownMs = Date.now();
      console.log(
        `${count} schedules, ${violationCount} violations, ${perSecond(count, shownMs - startedMs)} a second`,
      );
    }
  }
  for (const { world, nextSeed, spentMs } of progresses) {
    const done = nextSeed - from;
    console.log(`${world}: ${done} schedules, ${perSecond(done, spentMs)} a second`);
  }
  console.log(`${undecidedCount} histories of partitions could not be decided in time`);
  console.log(`${count} schedules, ${violationCount} violations`);
  return violationCount === 0 ? 0 : 1;
}

/** Of one seed: the first ones say it, and a world that is broken for good has thousands. */
const SHOWN_MAX = 12;

async function runOne(world: WorldName, ownSeed: number): Promise<Result> {
  const options = values.trace ? { onTrace: (line: string) => console.log(line) } : {};
  const result = await RUNS[world](ownSeed, options);
  const name = world === "log" ? `seed ${ownSeed}` : `${world} seed ${ownSeed}`;
  if (values.trace) console.log(`${result.profile}\n${JSON.stringify(result)}`);
  if (values.hashes) console.log(`${name} ${result.traceHash}`);
  for (const violation of result.violations.slice(0, SHOWN_MAX)) console.log(`${name}: ${violation}`);
  const hiddenCount = result.violations.length - SHOWN_MAX;
  if (hiddenCount > 0) console.log(`${name}: ${hiddenCount} more violations`);
  if (result.violations.length > 0) {
    console.log(`commit ${commit()}; replay: npm run sim -- --world ${world} --seeds 1 --from ${ownSeed} --trace`);
  }
  return result;
}

interface PlantedWorld {
  readonly names: readonly string[];
  readonly run: (name: string, seed: number) => Promise<{ readonly violations: readonly string[] }>;
  readonly seeds: Readonly<Record<string, number>>;
  readonly file: string;
}

const PLANTED: readonly PlantedWorld[] = [
  {
    names: [...PLANTED_BUGS.keys()],
    run: (name, from) => runSchedule(from, { decorations: PLANTED_BUGS.get(name)?.() ?? {}, stopsEarly: true }),
    seeds: PLANTED_SEEDS,
    file: "planted-seeds.json",
  },
  {
    names: [...PLANTED_GROUP_BUGS.keys()],
    run: (name, from) =>
      runGroupSchedule(from, { decorations: PLANTED_GROUP_BUGS.get(name)?.() ?? {}, stopsEarly: true }),
    seeds: PLANTED_GROUP_SEEDS,
    file: "groups/planted-group-seeds.json",
  },
  {
    names: [...PLANTED_REPLICA_BUGS.keys()],
    run: (name, from) =>
      runSchedule(from, {
        draw: drawReplicaProfile,
        decorations: PLANTED_REPLICA_BUGS.get(name)?.() ?? {},
        stopsEarly: true,
      }),
    seeds: PLANTED_REPLICA_SEEDS,
    file: "replicas/planted-replica-seeds.json",
  },
  {
    names: [...PLANTED_WORKER_BUGS.keys()],
    run: (name, from) =>
      runSchedule(from, {
        draw: drawWorkerProfile,
        decorations: PLANTED_WORKER_BUGS.get(name)?.() ?? {},
        stopsEarly: true,
      }),
    seeds: PLANTED_WORKER_SEEDS,
    file: "workers/planted-worker-seeds.json",
  },
];

/** Looks for the first seed that finds each bug of a world; returns how many are missed. */
async function findPlanted(planted: PlantedWorld, wanted: string): Promise<number> {
  const from = Number(values.from);
  const recorded = new Map<string, number>(Object.entries(planted.seeds));
  const names = planted.names.filter((name) => wanted === "all" || wanted === name);
  let missedCount = 0;
  for (const name of names) {
    let found: string | undefined;
    for (seed = from; seed < from + Number(values.seeds) && found === undefined; seed++) {
      const { violations } = await planted.run(name, seed);
      if (violations.length === 0) continue;
      found = `seed ${seed}: ${violations[0]}`;
      recorded.set(name, seed);
    }
    if (found === undefined) missedCount++;
    console.log(`${name}: ${found ?? "NOT FOUND"}`);
  }
  if (values.record) {
    const seeds = Object.fromEntries(planted.names.map((name) => [name, recorded.get(name)]));
    writeFileSync(new URL(planted.file, import.meta.url), `${JSON.stringify(seeds, null, 2)}\n`);
  }
  return missedCount;
}

async function findAllPlanted(wanted: string): Promise<boolean> {
  let missedCount = 0;
  for (const planted of PLANTED) missedCount += await findPlanted(planted, wanted);
  const count = wanted === "all" ? PLANTED.flatMap(({ names }) => names).length : 1;
  console.log(`${count - missedCount} found, ${missedCount} missed`);
  return missedCount === 0;
}

function perSecond(count: number, ms: number): string {
  return (count / Math.max(0.001, ms / 1000)).toFixed(1);
}

if (values.planted === undefined) process.exitCode = await main();
else process.exitCode = (await findAllPlanted(values.planted)) ? 0 : 1;
