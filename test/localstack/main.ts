import { parseArgs } from "node:util";
import { ALL_PARTS, install } from "./install/install.ts";
import { endWithParent } from "./leashed.ts";
import { TEST_PARTS } from "./test-parts.ts";
import { TestRun } from "./test-run.ts";

// Runs what needs AWS on emulators that it installs and starts by itself. The last line is `N passed, N failed`; the exit
// status is 1 if anything failed.

const HELP = `npm run test:localstack -- [options]
  --only PART        one part; may be given more than once
  --except PART      all parts but this one; may be given more than once
  --endpoint URL     uses the LocalStack that runs there
  --keep             leaves LocalStack running afterwards, until this command is ended
  --install-only     installs everything into .cache/localstack and ends
  --list             names the parts and ends
`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    except: { type: "string", multiple: true, default: [] },
    endpoint: { type: "string" },
    keep: { type: "boolean", default: false },
    "install-only": { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  if (options.help || options.list) {
    const list = TEST_PARTS.map(
      ({ name, budgetMinutes, what }) => `${name.padEnd(12)} ${budgetMinutes} min  ${what}\n`,
    );
    process.stdout.write(options.help ? HELP : list.join(""));
    return 0;
  }
  if (options["install-only"]) {
    await install(ALL_PARTS);
    return 0;
  }
  const { only, except } = options;
  const unknown = [...only, ...except].filter((name) => !TEST_PARTS.some((part) => part.name === name));
  if (unknown.length > 0) throw new Error(`${unknown.join(", ")}: no such part; see --list`);
  const due = TEST_PARTS.filter(({ name }) => (only.length === 0 || only.includes(name)) && !except.includes(name));
  await using run = new TestRun(options.endpoint);
  for (const part of due) await run.run(part);
  console.log(`\n${run.table()}\n${run.passed} passed, ${run.failed} failed`);
  if (options.keep) await run.keep();
  return run.failed === 0 ? 0 : 1;
}

endWithParent();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(143));
process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed");
  return 1;
});
