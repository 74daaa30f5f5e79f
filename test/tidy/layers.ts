import { posix } from "node:path";
import { EXTERNALS, LAYERS, RANDOM_NAMES, RANDOM_PLACES, RELATIVE } from "./layers-table.ts";
import { type Finding, lineAt, type SourceFile } from "./tree.ts";

interface Import {
  readonly specifier: string;
  readonly isTypeOnly: boolean;
  readonly names: readonly string[];
  readonly line: number;
}

const STATIC = /^(?:import|export)\s+(?:(type)\s+)?([\w$*{},\s]+?)\s+from\s+"([^"\n]+)"/gm;
const BARE = /^import\s+"([^"\n]+)"/gm;
const DYNAMIC = /\b(?:import|require)\(\s*["'`]([^"'`\n]+)["'`]/g;

/** The imports and re-exports of one file. The formatter has made their shape uniform, so patterns are enough. */
function importsOf(file: SourceFile): readonly Import[] {
  const found: Import[] = [];
  for (const match of file.text.matchAll(STATIC)) {
    const clause = match[2] ?? "";
    const names = clause
      .replaceAll(/[{}]/g, "")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
    const isTypeOnly = match[1] === "type" || (names.length > 0 && names.every((name) => name.startsWith("type ")));
    found.push({ specifier: match[3] ?? "", isTypeOnly, names, line: lineAt(file.text, match.index) });
  }
  for (const pattern of [BARE, DYNAMIC]) {
    for (const match of file.text.matchAll(pattern)) {
      found.push({ specifier: match[1] ?? "", isTypeOnly: false, names: [], line: lineAt(file.text, match.index) });
    }
  }
  return found;
}

/** Where a file lives in the layers table: `lib/log`, `lib` for a file right in lib, `test`, or `.` for the root. */
function placeOf(path: string): string {
  const [top = "", folder = "", file] = path.split("/");
  if (top === path) return ".";
  if (top !== "lib") return top;
  return file === undefined ? "lib" : `lib/${folder}`;
}

/** Findings for every import that the layers table does not allow. */
export function checkLayers(files: readonly SourceFile[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (!file.path.endsWith(".ts")) continue;
    const place = placeOf(file.path);
    if (place !== "." && LAYERS[place] === undefined) {
      findings.push({ path: file.path, line: 1, text: `${place} is not in the layers table` });
      continue;
    }
    for (const one of importsOf(file)) {
      const text = faultOf(file.path, place, one);
      if (text !== undefined) findings.push({ path: file.path, line: one.line, text });
    }
  }
  return findings;
}

function faultOf(path: string, place: string, one: Import): string | undefined {
  if (one.specifier.startsWith("#lib/")) return aliasFault(place, one);
  if (one.specifier.startsWith(".")) return relativeFault(path, place, one.specifier);
  return externalFault(place, one);
}

function aliasFault(place: string, one: Import): string | undefined {
  const target = placeOf(`lib/${one.specifier.slice("#lib/".length)}`);
  if (target === place) return `imports its own folder as ${one.specifier}; take a relative path`;
  const folder = target === "lib" ? "." : target.slice("lib/".length);
  const rule = LAYERS[place];
  if (rule?.imports.includes(folder)) return undefined;
  if (one.isTypeOnly && rule?.types?.includes(folder)) return undefined;
  const typesOnly = rule?.types?.includes(folder) ? " (types would be allowed)" : "";
  return `${place} may not import ${target}${typesOnly}`;
}

function relativeFault(path: string, place: string, specifier: string): string | undefined {
  const target = placeOf(posix.join(posix.dirname(path), specifier));
  if (target === place || RELATIVE[place]?.includes(target)) return undefined;
  if (target.startsWith("lib")) return `reaches ${target} by a relative path; take #lib/`;
  return `${place} may not import ${target}`;
}

function externalFault(place: string, one: Import): string | undefined {
  const places = EXTERNALS.get(moduleNameOf(one.specifier));
  if (places === undefined && one.specifier.startsWith("node:") && ["test", "bench"].includes(place)) return undefined;
  if (places === undefined) return `${one.specifier} is not in the layers table; add it where it belongs`;
  const isAllowed = places.includes(place) || (place.startsWith("lib/") && places.includes("lib/*"));
  // The root holds settings of tools only, such as vitest.config.ts.
  if (!isAllowed && place !== ".") return `${place} may not import ${one.specifier}`;
  if (one.specifier !== "node:crypto" || RANDOM_PLACES.includes(place)) return undefined;
  const random = one.names.filter((name) => RANDOM_NAMES.includes(name.split(" ")[0] ?? ""));
  return random.length === 0 ? undefined : `${place} takes ${random.join(", ")} of node:crypto; take a Random`;
}

/** A package by its name whatever file of it is meant; modules of Node and packages listed by a subpath as they are. */
function moduleNameOf(specifier: string): string {
  if (specifier.startsWith("node:") || EXTERNALS.has(specifier)) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
