import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { type Finding, lineAt, ROOT, type SourceFile } from "./tree.ts";

const LINK = /\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g;
const FENCED = /^(```|~~~)[\s\S]*?^\1/gm;

/** Relative links in Markdown files lead to files that are there. */
export function checkLinks(files: readonly SourceFile[], exists = existsInTree): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of files) {
    if (!path.endsWith(".md")) continue;
    // Code blocks keep their length, so that line numbers stay right.
    const prose = text.replaceAll(FENCED, (block) => block.replaceAll(/[^\n]/g, " "));
    for (const match of prose.matchAll(LINK)) {
      const target = (match[1] ?? "").split("#")[0] ?? "";
      if (target === "" || /^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
      const resolved = posix.join(posix.dirname(path), decodeURI(target));
      if (!exists(resolved))
        findings.push({ path, line: lineAt(text, match.index), text: `links to ${target}, which is not there` });
    }
  }
  return findings;
}

const existsInTree = (path: string): boolean => existsSync(join(ROOT, path));

const DEPENDENCIES_PAGE = "docs/DEPENDENCIES.md";
const KINDS = ["dependencies", "devDependencies", "optionalDependencies"];

/** Every dependency of package.json has a table row that names it; every row's package is still a dependency. */
export function checkDependencies(files: readonly SourceFile[]): readonly Finding[] {
  const manifest: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = JSON.parse(
    files.find((file) => file.path === "package.json")?.text ?? "{}",
  );
  const names = KINDS.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  const page = files.find((file) => file.path === DEPENDENCIES_PAGE)?.text ?? "";
  const rows = page.split("\n").map((text, i) => ({ line: i + 1, cells: text.startsWith("|") ? text.split("|") : [] }));
  const listed = rows.flatMap(({ line, cells }) =>
    [...(cells[1] ?? "").matchAll(/`([^`]+)`/g)].map((match) => ({ line, name: match[1] ?? "" })),
  );
  const missing = names.filter((name) => !listed.some((row) => row.name === name));
  const stale = listed.filter((row) => !names.includes(row.name));
  return [
    ...missing.map((name) => ({ path: DEPENDENCIES_PAGE, line: 1, text: `has no line for ${name}` })),
    ...stale.map(({ line, name }) => ({
      path: DEPENDENCIES_PAGE,
      line,
      text: `names ${name}, no longer a dependency`,
    })),
  ];
}

/** The lockfile must work with any registry, so it holds no download addresses. */
export function checkLockfile(files: readonly SourceFile[]): readonly Finding[] {
  const lock = files.find((file) => file.path === "package-lock.json");
  if (lock === undefined) return [{ path: "package-lock.json", line: 1, text: "is missing" }];
  return [...lock.text.matchAll(/"resolved":/g)].map((match) => ({
    path: lock.path,
    line: lineAt(lock.text, match.index),
    text: "holds a download address",
  }));
}
