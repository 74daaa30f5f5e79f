import { cpSync, existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// Three packages come with a binary for each platform, in a package of its own. A bundle holds JavaScript only, so they are
// laid beside it: the package's loader and the one binary of the function's platform. npm installs binaries for the machine
// that it runs on; where the functions' platform is another one, `npm install --cpu=arm64 --os=linux --libc=glibc
// --no-save --force` brings them too (docs/DEPLOY.md). A bundle without them works as well: checksums are computed by
// a table, snappy and lz4 are read by our own code.

export type Architecture = "arm64" | "x86_64";

interface NativePackage {
  readonly name: string;
  /** Name of the package with the binary, before the platform. */
  readonly binary: string;
}

const NATIVE_PACKAGES: readonly NativePackage[] = [
  { name: "@node-rs/crc32", binary: "@node-rs/crc32-linux" },
  { name: "snappy", binary: "@napi-rs/snappy-linux" },
  { name: "lz4-napi", binary: "@antoniomuso/lz4-napi-linux" },
];

/** What the bundler leaves for Node to find. */
export const NATIVE_PACKAGE_NAMES: readonly string[] = NATIVE_PACKAGES.map(({ name }) => name);

const PLATFORMS: Readonly<Record<Architecture, string>> = { arm64: "arm64-gnu", x86_64: "x64-gnu" };

/** Copies what is installed of them to `directory/node_modules`. Answers the binaries that are not installed. */
export function copyNativePackages(directory: string, architecture: Architecture): readonly string[] {
  const missing: string[] = [];
  for (const { name, binary } of NATIVE_PACKAGES) {
    const binaryName = `${binary}-${PLATFORMS[architecture]}`;
    const from = packageDirectory(binaryName);
    if (from === undefined) {
      missing.push(binaryName);
      continue;
    }
    copyPackage(from, directory, binaryName);
    const loader = packageDirectory(name);
    if (loader !== undefined) copyPackage(loader, directory, name);
  }
  return missing;
}

function copyPackage(from: string, directory: string, name: string): void {
  const to = join(directory, "node_modules", name);
  mkdirSync(to, { recursive: true });
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => !/\.(?:md|d\.ts|wasm|map)$|browser\.js$|node_modules\/.*\/node_modules/.test(path),
  });
}

/** Where npm has put a package, from here upwards; packages with binaries only cannot be resolved by an import. */
function packageDirectory(name: string): string | undefined {
  const searched = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const found = searched.map((modules) => join(modules, name, "package.json")).find((path) => existsSync(path));
  return found === undefined ? undefined : dirname(found);
}
