import { parseArgs } from "node:util";
import { provideJava } from "../clients/support/java.ts";
import { findingsOf } from "./delivery.ts";
import { deliveryTable, faultTable, seconds, workerTable } from "./report.ts";
import { type ChaosSettings, runChaos } from "./run.ts";

const HELP = `npm run chaos -- [options]
Kills brokers, makes stores fail and runs workers by hand, one round after the other, under Kafka's idempotent producer
and its consumers: one reads along, one reads all again at the end, and one when all is made into segments. Status 1
unless every acknowledged record is there once, in order and at the offset that was told. Linux, with java, javac and mvn.
  --rounds N                how many (default 10)
  --target millrace|kafka   a cluster of Apache Kafka has no stores or workers: only brokers are killed (default millrace)
  --seed S                  what fails when (default: drawn, and printed)
  --brokers N, --stores N   default 3 each; not more stores than brokers, and with fewer than three none is made to fail
  --rate N                  records a second over 6 partitions, of 200 bytes, one of 61 of 100 kB (default 300)
  --keep                    leaves data and logs where they are, and says where
`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    target: { type: "string", default: "millrace" },
    seed: { type: "string" },
    brokers: { type: "string", default: "3" },
    stores: { type: "string", default: "3" },
    rate: { type: "string", default: "300" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function settings(): ChaosSettings | undefined {
  const { target, keep } = options;
  const seed = options.seed ?? String(Math.floor(Math.random() * 1e9));
  const numbers = [options.rounds, seed, options.brokers, options.stores, options.rate].map(Number);
  const [rounds = 0, seedNumber = 0, brokers = 0, stores = 0, recordsPerSecond = 0] = numbers;
  const isTarget = target === "millrace" || target === "kafka";
  if (!isTarget || numbers.some((number) => !Number.isInteger(number) || number < 0)) return undefined;
  if (brokers < 1 || stores < 1 || stores > brokers || recordsPerSecond < 1) return undefined;
  return { target, rounds, seed: seedNumber, brokers, stores, recordsPerSecond, isKeeping: keep };
}

async function main(): Promise<number> {
  const chosen = settings();
  if (options.help || chosen === undefined) {
    (options.help ? process.stdout : process.stderr).write(HELP);
    return options.help ? 0 : 2;
  }
  await provideJava();
  console.log(`${chosen.rounds} rounds on ${chosen.target}, seed ${chosen.seed}`);
  const { rounds, deliveries, failures, longestPauseMs } = await runChaos(chosen, console.log);
  console.log(`\n${faultTable(rounds)}\n(median | worst)\n`);
  if (rounds.some(({ workers }) => workers.length > 0)) console.log(`${workerTable(rounds)}\n`);
  console.log(`${deliveryTable(deliveries)}\n`);
  for (const failure of failures) console.log(`FAIL ${failure}`);
  const findings = [...deliveries].flatMap(([reader, delivery]) =>
    findingsOf(delivery).map((finding) => `${reader}: ${finding}`),
  );
  for (const finding of findings) console.log(`FAIL ${finding}`);
  if (findings.length === 0) console.log("0 lost, 0 duplicated, 0 reordered");
  console.log(`longest pause ${seconds(longestPauseMs)}`);
  const failed = failures.length + findings.length;
  console.log(`${rounds.length} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`FAIL ${error instanceof Error ? error.stack : String(error)}\n0 passed, 1 failed`);
  process.exitCode = 1;
}
