import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import PLANTED_SEEDS from "./planted-seeds.json" with { type: "json" };
import { runSchedule } from "./schedule.ts";

// npm run sim -- --seeds N --from S [--minutes M] [--trace] [--hashes]
// npm run sim -- --planted NAME|all [--seeds N] [--from S] [--record]    writes planted-seeds.json

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    minutes: { type: "string" },
    trace: { type: "boolean", default: false },
    planted: { type: "string" },
    record: { type: "boolean", default: false },
    hashes: { type: "boolean", default: false },
  },
});

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

async function main(): Promise<number> {
  const from = Number(values.from);
  const end = from + Number(values.seeds);
  const startedMs = Date.now();
  const deadlineMs =
    values.minutes === undefined ? Number.POSITIVE_INFINITY : startedMs + Number(values.minutes) * 60_000;
  let violationCount = 0;
  let undecidedCount = 0;
  let count = 0;
  let shownMs = startedMs;
  for (seed = from; seed < end && Date.now() < deadlineMs; seed++, count++) {
    const result = await runSchedule(seed, values.trace ? { onTrace: (line) => console.log(line) } : {});
    if (values.trace) console.log(`${result.profile}\n${JSON.stringify(result)}`);
    if (values.hashes) console.log(`seed ${seed} ${result.traceHash}`);
    for (const violation of result.violations) console.log(`seed ${seed}: ${violation}`);
    violationCount += result.violations.length;
    undecidedCount += result.undecided;
    if (result.violations.length > 0) {
      console.log(`commit ${commit()}; replay: npm run sim -- --seeds 1 --from ${seed} --trace`);
    }
    if (Date.now() - shownMs > 10_000) {
      shownMs = Date.now();
      console.log(`${count + 1} schedules, ${violationCount} violations, ${perSecond(count + 1, startedMs)} a second`);
    }
  }
  console.log(`${perSecond(count, startedMs)} schedules a second`);
  console.log(`${undecidedCount} histories of partitions could not be decided in time`);
  console.log(`${count} schedules, ${violationCount} violations`);
  return violationCount === 0 ? 0 : 1;
}

/** Looks for the first seed that finds each bug; true if all are found. */
async function findPlanted(names: readonly string[]): Promise<boolean> {
  const from = Number(values.from);
  const recorded = new Map<string, number>(Object.entries(PLANTED_SEEDS));
  let missedCount = 0;
  for (const name of names) {
    const plant = PLANTED_BUGS.get(name);
    if (plant === undefined)
      throw new Error(`no planted bug is called ${name}: ${[...PLANTED_BUGS.keys()].join(", ")}`);
    let found: string | undefined;
    for (seed = from; seed < from + Number(values.seeds) && found === undefined; seed++) {
      const { violations } = await runSchedule(seed, { decorations: plant(), stopsEarly: true });
      if (violations.length === 0) continue;
      found = `seed ${seed}: ${violations[0]}`;
      recorded.set(name, seed);
    }
    if (found === undefined) missedCount++;
    console.log(`${name}: ${found ?? "NOT FOUND"}`);
  }
  if (values.record) {
    const seeds = Object.fromEntries([...PLANTED_BUGS.keys()].map((name) => [name, recorded.get(name)]));
    writeFileSync(new URL("planted-seeds.json", import.meta.url), `${JSON.stringify(seeds, null, 2)}\n`);
  }
  console.log(`${names.length - missedCount} found, ${missedCount} missed`);
  return missedCount === 0;
}

function perSecond(count: number, startedMs: number): string {
  return (count / Math.max(0.001, (Date.now() - startedMs) / 1000)).toFixed(1);
}

if (values.planted === undefined) process.exitCode = await main();
else {
  const names = values.planted === "all" ? [...PLANTED_BUGS.keys()] : [values.planted];
  process.exitCode = (await findPlanted(names)) ? 0 : 1;
}
