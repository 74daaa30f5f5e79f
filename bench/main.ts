import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { awsSuite } from "./aws/suite.ts";
import { costSuite } from "./cost/suite.ts";
import { groupsSuite } from "./groups/suite.ts";
import { kafkaSuite } from "./kafka/suite.ts";
import { lambdaSuite } from "./lambda/suite.ts";
import { appendPathSuite } from "./micro/append-path.ts";
import { codecSuite } from "./micro/codec.ts";
import { directoryStoreSuite } from "./micro/directory-store.ts";
import { fetchAssemblerSuite } from "./micro/fetch-assembler.ts";
import { recordSuite } from "./micro/record.ts";
import { sqliteJournalSuite } from "./micro/sqlite-journal.ts";
import { replicasSuite } from "./replicas/suite.ts";
import { s3Suite } from "./s3/suite.ts";
import { segmentsSuite } from "./segments/suite.ts";
import { describeMachine } from "./support/machine.ts";
import type { BenchContext, BenchSuite } from "./support/suite.ts";
import { formatJson, formatTable } from "./support/table.ts";

const SUITES: readonly BenchSuite[] = [
  kafkaSuite,
  groupsSuite,
  appendPathSuite,
  codecSuite,
  recordSuite,
  fetchAssemblerSuite,
  directoryStoreSuite,
  sqliteJournalSuite,
  lambdaSuite,
  awsSuite,
  s3Suite,
  replicasSuite,
  costSuite,
  segmentsSuite,
];

const HELP = `npm run bench -- SUITE... [options]
  --json FILE    also write [{name, unit, ours, reference, ratio}]
  --small        little work, one repeat: shows that it runs, its figures mean nothing
  --row NAME     only rows whose name contains NAME; repeatable
  --repeats N    samples of each figure (default 5, with --small 1)
  --gb N         segments: size of the partition that is read
  --partitions N segments: number of the many partitions

`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    small: { type: "boolean", default: false },
    row: { type: "string", multiple: true, default: [] },
    repeats: { type: "string" },
    gb: { type: "string" },
    partitions: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  const chosen = SUITES.filter(({ name }) => positionals.includes(name));
  const repeats = Number(options.repeats ?? (options.small ? 1 : 5));
  const gigabytes = options.gb === undefined ? undefined : Number(options.gb);
  const partitions = options.partitions === undefined ? undefined : Number(options.partitions);
  const isSized = (gigabytes ?? 1) > 0 && Number.isInteger(partitions ?? 1) && (partitions ?? 1) > 0;
  const isUnderstood = chosen.length === positionals.length && Number.isInteger(repeats) && repeats > 0 && isSized;
  if (options.help || positionals.length === 0 || !isUnderstood) {
    const suites = SUITES.map(({ name, what }) => `  ${name.padEnd(16)} ${what}\n`);
    (options.help ? process.stdout : process.stderr).write(`${HELP}${suites.join("")}`);
    return options.help ? 0 : 2;
  }
  const context: BenchContext = {
    isSmall: options.small,
    repeats,
    gigabytes,
    partitions,
    wants: (row) => options.row.length === 0 || options.row.some((wanted) => row.includes(wanted)),
    say: (line) => process.stderr.write(`${line}\n`),
  };
  context.say(`${describeMachine()}; load ${loadavg()[0]?.toFixed(2)} before the start`);
  const measured = [];
  for (const suite of chosen) measured.push(...(await suite.run(context)));
  process.stdout.write(formatTable(measured));
  if (options.json !== undefined) writeFileSync(options.json, formatJson(measured));
  return 0;
}

process.exitCode = await main();
