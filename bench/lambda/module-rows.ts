import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { NATIVE_PACKAGE_NAMES } from "../../infra/native-packages.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchContext } from "../support/suite.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What a function loads, by itself: what two of them share is in both. */
const MODULES: Readonly<Record<string, string>> = {
  "the DynamoDB journal": "./lib/adapters/aws/dynamodb-journal.ts",
  "the S3 store": "./lib/adapters/aws/s3-object-store.ts",
  "clients of AWS": "./lib/adapters/aws/aws-clients.ts",
  "the broker": "./lib/broker/assemble-broker.ts",
  "the HTTP app": "./lib/http/app.ts",
  "settings (zod)": "./lib/config/function-settings.ts",
};

/** How long a new process takes to load each part, bundled as functions are. */
export async function moduleRows(context: BenchContext): Promise<readonly Measured[]> {
  const directory = mkdtempSync(join(tmpdir(), "millrace-bench-modules-"));
  try {
    const rows: Measured[] = [];
    for (const [part, path] of Object.entries(MODULES)) {
      const name = `load ${part}`;
      if (!context.wants(name)) continue;
      const file = join(directory, `${rows.length}.mjs`);
      bundle(path, file);
      const ours = Array.from({ length: context.repeats }, () => loadMs(file));
      rows.push({ name, unit: "ms", better: "lower", ours, reference: [] });
    }
    return rows;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function bundle(path: string, file: string): void {
  buildSync({
    stdin: { contents: `export * from ${JSON.stringify(path)};`, resolveDir: ROOT, loader: "ts" },
    outfile: file,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    mainFields: ["module", "main"],
    external: [...NATIVE_PACKAGE_NAMES],
    banner: {
      js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
    },
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: "error",
  });
}

function loadMs(file: string): number {
  const script = `const t = performance.now(); await import(${JSON.stringify(pathToFileURL(file).href)});
    process.stderr.write(String(performance.now() - t)); process.exit(0);`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", env: {} });
  return Number(stderr);
}
