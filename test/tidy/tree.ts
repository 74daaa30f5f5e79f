import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Something to put right. Printed as `path:line: text`. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

const IGNORED_DIRECTORIES = new Set(["node_modules", ".git", ".cache", "data", "coverage", "cdk.out", "dist"]);
const TEXT = /\.(ts|md|json|yml|yaml|xml|sh)$|^\.ci\//;

/** Every text file of the work tree, committed or not. */
export function readTree(root = ROOT): readonly SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (directory: string): void => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory() && !IGNORED_DIRECTORIES.has(entry.name)) walk(path);
      if (entry.isFile() && TEXT.test(path)) files.push({ path, text: readFileSync(join(root, path), "utf8") });
    }
  };
  walk("");
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
