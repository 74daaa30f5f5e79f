// `npm run functions:size [-- --architecture x86_64]`: what a function's code weighs, by whose it is, and how long a new
// process takes to load it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bundleFunctions, FUNCTION_NAMES } from "./bundle-functions.ts";
import { type BundleOutput, loadedAtStart } from "./loaded-at-start.ts";

const KIB = 1024;
const LOADS = 7;
const OWNERS_SHOWN = 14;
/** What a function must never load: it would cost each cold start. */
const UNWANTED = ["commander", "pino", "vitest", "typescript", "prom-client", "@hono/node-server"];

/** `lib/http`, or the package. */
function ownerOf(path: string): string {
  const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return (
    inPackage ??
    path
      .split("/")
      .slice(0, path.startsWith("lib/") ? 2 : 1)
      .join("/")
  );
}

function bytesByOwner(outputs: readonly BundleOutput[]): readonly (readonly [owner: string, bytes: number])[] {
  const sums = new Map<string, number>();
  for (const output of outputs) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const owner = ownerOf(path);
      sums.set(owner, (sums.get(owner) ?? 0) + bytesInOutput);
    }
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

/** The median of fresh processes, in milliseconds. Without settings a function begins nothing when it is loaded. */
function loadMs(path: string): number {
  const script = `const t = performance.now(); await import(${JSON.stringify(pathToFileURL(path).href)});
    process.stderr.write(String(performance.now() - t)); process.exit(0);`;
  const times = Array.from({ length: LOADS }, () => {
    const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      env: { MILLRACE_LOG_LEVEL: "error" },
    });
    return Number(stderr);
  });
  return times.sort((a, b) => a - b)[Math.floor(LOADS / 2)] ?? Number.NaN;
}

function kib(bytes: number): string {
  return `${(bytes / KIB).toFixed(0)} KiB`;
}

const { values } = parseArgs({ options: { architecture: { type: "string", default: "arm64" } } });
const architecture = values.architecture === "x86_64" ? "x86_64" : "arm64";
const directory = mkdtempSync(join(tmpdir(), "millrace-functions-"));
try {
  const { metafile, missingBinaries } = bundleFunctions(directory, architecture);
  console.log("function      code       loads in");
  for (const name of FUNCTION_NAMES) {
    const bytes = loadedAtStart(name, metafile).reduce((sum, output) => sum + output.bytes, 0);
    const ms = loadMs(join(directory, `${name}.mjs`)).toFixed(0);
    console.log(`${name.padEnd(12)}  ${kib(bytes).padEnd(9)}  ${ms} ms`);
  }
  const files = Object.keys(metafile.outputs).map((path) => join(directory, basename(path)));
  console.log(`all files together: ${kib(files.reduce((sum, path) => sum + statSync(path).size, 0))}`);
  console.log("\nproduce by owner:");
  const owners = bytesByOwner(loadedAtStart("produce", metafile));
  for (const [owner, bytes] of owners.slice(0, OWNERS_SHOWN)) console.log(`${kib(bytes).padStart(9)}  ${owner}`);
  const unwanted = owners.filter(([owner]) => UNWANTED.includes(owner)).map(([owner]) => owner);
  for (const name of missingBinaries) console.log(`not installed, done without: ${name}`);
  if (unwanted.length > 0) {
    console.log(`must not be in a function: ${unwanted.join(", ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
