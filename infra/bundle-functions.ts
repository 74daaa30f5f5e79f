import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync, type Metafile } from "esbuild";
import { type Architecture, copyNativePackages, NATIVE_PACKAGE_NAMES } from "./native-packages.ts";
import { slimPackages } from "./slim-packages.ts";

/** One entry each; the file is `functions/<name>.ts`, the handler `<name>.handler`. */
export const FUNCTION_NAMES = [
  "produce",
  "fetch",
  "consumers",
  "admin",
  "housekeeper",
  "expirer",
  "compactor",
  "cleaner",
  "retention",
  "garbage",
] as const;
export type FunctionName = (typeof FUNCTION_NAMES)[number];

export interface FunctionBundle {
  /** What is uploaded: an entry for each function, the code that they share, and native packages. */
  readonly directory: string;
  readonly metafile: Metafile;
  /** Native packages that are not installed for the architecture; the bundle does without them. */
  readonly missingBinaries: readonly string[];
}

/** CommonJS packages ask for Node's modules by `require`, which ECMAScript modules have not. */
const BANNER = `import { createRequire as millraceRequire } from "node:module";
const require = millraceRequire(import.meta.url);`;

/**
 * Bundles all functions into `directory`, from what is installed and without network: they serve the same app, so they
 * share nearly all of their code, and one upload serves them all.
 */
export function bundleFunctions(directory: string, architecture: Architecture): FunctionBundle {
  mkdirSync(directory, { recursive: true });
  const metafile = bundleEntries(directory);
  writeFileSync(join(directory, "package.json"), `${JSON.stringify({ type: "module", private: true })}\n`);
  return { directory, metafile, missingBinaries: copyNativePackages(directory, architecture) };
}

function bundleEntries(directory: string): Metafile {
  const { metafile } = buildSync({
    entryPoints: FUNCTION_NAMES.map((name) => ({ in: entryOf(name), out: name })),
    outdir: directory,
    bundle: true,
    splitting: true,
    format: "esm",
    outExtension: { ".js": ".mjs" },
    chunkNames: "shared-[hash]",
    platform: "node",
    target: "node24",
    mainFields: ["module", "main"],
    external: [...NATIVE_PACKAGE_NAMES],
    alias: slimPackages(),
    banner: { js: BANNER },
    // Names stay, so that a stack trace can be read; source maps would be several times the code.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    metafile: true,
    logLevel: "error",
    absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  });
  return metafile;
}

const bundles = new Map<Architecture, FunctionBundle>();

/** The bundle for deployment, made once in a process: every stack of an app has the same. */
export function sharedFunctionBundle(architecture: Architecture): FunctionBundle {
  const known = bundles.get(architecture);
  if (known !== undefined) return known;
  const bundle = bundleFunctions(mkdtempSync(join(tmpdir(), "millrace-functions-")), architecture);
  bundles.set(architecture, bundle);
  return bundle;
}

/** The checkout has TypeScript, an installed package what was emitted from it. */
function entryOf(name: FunctionName): string {
  const source = fileURLToPath(new URL(`../functions/${name}.ts`, import.meta.url));
  return existsSync(source) ? source : source.replace(/\.ts$/, ".js");
}
