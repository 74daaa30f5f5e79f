import { parseArgs } from "node:util";
import { PLANTED_GROUP_BUGS } from "./groups/planted-group-bugs.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import { PLANTED_REPLICA_BUGS } from "./replicas/planted-replica-bugs.ts";
import { PLANTED_WORKER_BUGS } from "./workers/planted-worker-bugs.ts";

export const WORLDS = ["log", "groups", "replicas", "workers"] as const;
export type WorldName = (typeof WORLDS)[number];

export const HELP = `npm run sim -- [options]
  --seeds N        so many schedules of each world (default 2000)
  --from S         the first seed (default 1)
  --minutes M      ends after so long, whatever is left
  --world NAME     log, groups, replicas, workers or all (default)
  --trace          says all that happens, for a single seed
  --hashes         the hash of each trace, to compare two processes
  --planted NAME   looks for the first seed that finds a planted bug, or all of them
  --record         writes what was found to the files of planted seeds

Replaying a failure: npm run sim -- --world WORLD --seeds 1 --from SEED --trace
`;

/** What the command line says. Throws with what is wrong: a word that nobody understands must not look like a sound run. */
export function simulationOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "2000" },
      from: { type: "string", default: "1" },
      minutes: { type: "string" },
      trace: { type: "boolean", default: false },
      planted: { type: "string" },
      record: { type: "boolean", default: false },
      world: { type: "string", default: "all" },
      hashes: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { seeds, from, minutes, world, planted } = values;
  if (!/^\d+$/.test(from)) throw new Error(`--from is a whole number, not ${from}`);
  if (!/^[1-9]\d*$/.test(seeds)) throw new Error(`--seeds is a whole number above 0, not ${seeds}`);
  if (minutes !== undefined && !(Number(minutes) > 0)) throw new Error(`--minutes is a number above 0, not ${minutes}`);
  const worlds = WORLDS.filter((each) => world === "all" || world === each);
  if (worlds.length === 0) throw new Error(`there is no world ${world}: ${WORLDS.join(", ")} or all`);
  const plantedMaps = [PLANTED_BUGS, PLANTED_GROUP_BUGS, PLANTED_REPLICA_BUGS, PLANTED_WORKER_BUGS];
  const bugs = plantedMaps.flatMap((each) => [...each.keys()]);
  if (planted !== undefined && planted !== "all" && !bugs.includes(planted)) {
    throw new Error(`no planted bug is called ${planted}: ${bugs.join(", ")}`);
  }
  return { ...values, worlds };
}
