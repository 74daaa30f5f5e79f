import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Every file of a directory by its path, in base64. */
export type PackedDirectory = Readonly<Record<string, string>>;

export function packDirectory(root: string): PackedDirectory {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return Object.fromEntries(paths.map((path) => [relative(root, path), readFileSync(path).toString("base64")]));
}

export function unpackDirectory(root: string, packed: PackedDirectory): void {
  for (const [path, content] of Object.entries(packed)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), Buffer.from(content, "base64"));
  }
}
