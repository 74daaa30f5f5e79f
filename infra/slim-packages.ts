import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

// Packages as functions need them: what is loaded is paid for with every cold start, and of these a bundler keeps much that
// nobody uses.

/** Files to bundle in the place of packages, by the packages' names. */
export function slimPackages(): Record<string, string> {
  return { zod: zodWithoutLocales(), ...s3WithPlainKeys() };
}

/**
 * Writes a zod without its texts in forty languages, and returns its file. They are a seventh of a function's code, loaded with
 * every cold start, and bundlers keep them because the library's namespace names them.
 */
function zodWithoutLocales(): string {
  const home = dirname(createRequire(import.meta.url).resolve("zod"));
  const directory = cacheBeside(home, "millrace-zod");
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
function cacheBeside(packageDirectory: string, name: string): string {
  const directory = join(packageDirectory, "..", ".cache", name);
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    // Somebody else has installed the packages.
    return mkdtempSync(join(tmpdir(), `${name}-`));
  }
}

/** Another process may be reading it, or writing the same. */
function writeWhole(file: string, text: string): void {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, text);
  renameSync(own, file);
}

const S3 = "@aws-sdk/client-s3";
const TABLE = "dist-es/schemas/schemas_0.js";
/** `const _h = "http";` */
const NAMED_STRING = /^const (_\w+) = ("[^"\\]*");$/gm;
/** `[_h]:` */
const NAMED_KEY = /\[(_\w+)\]:/g;

/**
 * A copy of the S3 client, file by file, in which the table of all operations has plain keys: `{ "http": ... }` in the place of
 * `{ [_h]: ... }`, which bundlers take for something with an effect, so that they keep the hundred operations that nobody
 * calls. Nothing if the package brings packages of its own, which a copy elsewhere would not find.
 */
function s3WithPlainKeys(): Record<string, string> {
  const home = join(dirname(createRequire(import.meta.url).resolve(S3)), "..");
  if (existsSync(join(home, "node_modules"))) return {};
  const table = withPlainKeys(readFileSync(join(home, TABLE), "utf8"));
  const kept = cacheBeside(join(home, ".."), "millrace-s3");
  // Elsewhere than below `node_modules` nothing would be found either.
  if (!kept.startsWith(join(home, "..", ".."))) return {};
  // Of what is in it, for a package may be patched without another version.
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const hash = createHash("sha256").update(table).digest("hex").slice(0, 16);
  const directory = join(kept, `${version}-${hash}`);
  if (!existsSync(directory)) {
    const own = `${directory}.${process.pid}`;
    for (const part of ["package.json", "dist-es"]) cpSync(join(home, part), join(own, part), { recursive: true });
    writeFileSync(join(own, TABLE), table);
    moveInto(own, directory);
  }
  return { [S3]: join(directory, "dist-es/index.js") };
}

function withPlainKeys(code: string): string {
  const strings = new Map([...code.matchAll(NAMED_STRING)].map(([, name = "", text = ""]) => [name, text]));
  return code.replaceAll(NAMED_KEY, (key, name: string) => {
    const text = strings.get(name);
    return text === undefined ? key : `${text}:`;
  });
}

/** Another process may have made the same meanwhile. */
function moveInto(own: string, directory: string): void {
  try {
    renameSync(own, directory);
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (!existsSync(directory)) throw error;
  }
}
