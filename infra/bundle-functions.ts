import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync, type Metafile } from "esbuild";
import { type Architecture, copyNativePackages, NATIVE_PACKAGE_NAMES } from "./native-packages.ts";

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
  const metafile = bundleEntries(directory, zodWithoutLocales());
  writeFileSync(join(directory, "package.json"), `${JSON.stringify({ type: "module", private: true })}\n`);
  return { directory, metafile, missingBinaries: copyNativePackages(directory, architecture) };
}

function bundleEntries(directory: string, zod: string): Metafile {
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
    alias: { zod },
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

/**
 * Writes a zod without its texts in forty languages, and returns its file. They are a seventh of a function's code, loaded with
 * every cold start, and bundlers keep them because the library's namespace names them.
 */
function zodWithoutLocales(): string {
  const home = dirname(createRequire(import.meta.url).resolve("zod"));
  const directory = cacheBeside(home);
  const from = (file: string) => `from ${JSON.stringify(join(home, "v4", file))};\n`;
  const whole = ["schemas", "checks", "errors", "parse", "compat"].map(
    (part) => `export * ${from(`classic/${part}.js`)}`,
  );
  const named = [
    `export * as iso ${from("classic/iso.js")}`,
    `export * as coerce ${from("classic/coerce.js")}`,
    `export { toJSONSchema } ${from("core/json-schema-processors.js")}`,
    `export { config, globalRegistry, registry, NEVER, prettifyError, treeifyError, util } ${from("core/index.js")}`,
  ];
  writeWhole(join(directory, "parts.js"), [...whole, ...named].join(""));
  const index = join(directory, "index.js");
  writeWhole(index, 'import * as z from "./parts.js";\nexport * from "./parts.js";\nexport { z, z as default };\n');
  return index;
}

/**
 * Where tools keep what they make of packages. The names of shared code come from the paths in it too: with one that is new each
 * time, every deployment would replace every function.
 */
function cacheBeside(packageDirectory: string): string {
  const directory = join(packageDirectory, "..", ".cache", "millrace-zod");
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    // Somebody else has installed the packages.
    return mkdtempSync(join(tmpdir(), "millrace-zod-"));
  }
}

/** Another process may be reading it, or writing the same. */
function writeWhole(file: string, text: string): void {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, text);
  renameSync(own, file);
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
