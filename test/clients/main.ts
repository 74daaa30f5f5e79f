import { parseArgs } from "node:util";
import { oracleSuite } from "../oracle/suite.ts";
import { cleaningSuite } from "./cleaning/suite.ts";
import { consumersSuite } from "./consumers/suite.ts";
import { demoSuite } from "./demo/suite.ts";
import { franzGoSuite } from "./franz-go/suite.ts";
import { javaSuite, olderJavaSuite } from "./java/suite.ts";
import { kafkajsSuite } from "./kafkajs/suite.ts";
import { kcatSuite } from "./kcat/suite.ts";
import { librdkafkaSuite } from "./librdkafka/suite.ts";
import { nodeRdkafkaSuite } from "./node-rdkafka/suite.ts";
import { packageSuite } from "./package/suite.ts";
import { platformaticSuite } from "./platformatic/suite.ts";
import { schemathesisSuite } from "./schemathesis/suite.ts";
import { segmentsSuite } from "./segments/suite.ts";
import { describe, Facts, SkippedError, type Suite, type SuiteContext } from "./support/suite.ts";

// Runs real clients against Millrace, or against Apache Kafka to find out whether the checks themselves are right.
// The last line is `N passed, N failed`; the exit status is 1 if anything failed.

const SUITES: readonly Suite[] = [
  kcatSuite,
  kafkajsSuite,
  platformaticSuite,
  franzGoSuite,
  librdkafkaSuite,
  nodeRdkafkaSuite,
  javaSuite,
  olderJavaSuite,
  oracleSuite,
  packageSuite,
  consumersSuite,
  demoSuite,
  schemathesisSuite,
  segmentsSuite,
  cleaningSuite,
];

const HELP = `node test/clients/main.ts [options]
  --target millrace|kafka   the broker under test (default millrace; kafka calibrates the checks)
  --only NAME               one suite; may be given more than once
  --except NAME             all suites but this one; may be given more than once
  --fact TEXT               only facts whose text contains TEXT
  --nightly                 longer inputs, more kills, suites for the night
  --no-skips                a suite that cannot run here counts as failed
  --list                    names the suites and ends
`;

const { values: options } = parseArgs({
  options: {
    target: { type: "string", default: "millrace" },
    only: { type: "string", multiple: true, default: [] },
    except: { type: "string", multiple: true, default: [] },
    fact: { type: "string" },
    nightly: { type: "boolean", default: false },
    "no-skips": { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A machine may be slower than ours; beyond that a suite has become too long. */
const OVER_BUDGET_FACTOR_MAX = 3;

async function runSuite(suite: Suite, context: SuiteContext): Promise<SuiteResult> {
  const budgetMinutes = (context.isNightly ? suite.nightlyBudgetMinutes : undefined) ?? suite.budgetMinutes;
  console.log(`\n${suite.name} on ${context.target}: ${suite.what} (budget ${budgetMinutes} min)`);
  const startedAtMs = performance.now();
  const facts = new Facts(suite.name, options.fact);
  let skipped = 0;
  try {
    await suite.run(facts, context);
  } catch (error) {
    if (error instanceof SkippedError) {
      skipped = 1;
      console.log(`skipped: ${suite.name}: ${error.message}`);
    } else {
      facts.failed += 1;
      console.log(`FAIL ${suite.name}: the suite broke off: ${describe(error)}`);
    }
  }
  const minutes = (performance.now() - startedAtMs) / 60_000;
  let failed = facts.failed;
  if (minutes > budgetMinutes * OVER_BUDGET_FACTOR_MAX) {
    failed += 1;
    console.log(`FAIL ${suite.name}: far over its budget`);
  } else if (minutes > budgetMinutes) console.log(`${suite.name}: over its budget`);
  console.log(`${suite.name}: ${minutes.toFixed(1)} of ${budgetMinutes} min, ${facts.passed} ok, ${failed} failed`);
  return { passed: facts.passed, failed, skipped };
}

async function main(): Promise<number> {
  if (options.help || options.list) {
    const list = SUITES.map(({ name, budgetMinutes, what }) => `${name.padEnd(14)} ${budgetMinutes} min  ${what}\n`);
    process.stdout.write(options.help ? HELP : list.join(""));
    return 0;
  }
  const { target, only, except } = options;
  if (target !== "millrace" && target !== "kafka") throw new Error(`--target ${target}: neither millrace nor kafka`);
  const unknown = [...only, ...except].filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) throw new Error(`${unknown.join(", ")}: no such suite; see --list`);
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of SUITES) {
    const isDue = only.length > 0 ? only.includes(suite.name) : options.nightly || suite.isNightlyOnly !== true;
    if (!isDue || except.includes(suite.name)) continue;
    const result = await runSuite(suite, { target, isNightly: options.nightly });
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
  }
  if (options["no-skips"]) total.failed += total.skipped;
  const skipped = total.skipped === 0 ? "" : `${total.skipped} skipped\n`;
  console.log(`\n${skipped}${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
