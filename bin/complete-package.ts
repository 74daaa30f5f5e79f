// Runs after the compiler when npm packs (`prepack`), and does in `dist` what the compiler does not. Node runs no
// TypeScript under node_modules, so an installed package has JavaScript; in the checkout nothing is ever emitted.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
/** Node looks for the meaning of `#lib/` in package.json, again for each import: a third of the time to load a broker. */
const ALIAS = /"#lib\/([^"]+)\.ts"/g;
/** A file that is loaded by its address, such as a worker's: to the compiler it is a text like any other. */
const ADDRESS = /(?<=new URL\()"(\.[^"]+)\.ts"(?=, import\.meta\.url\))/g;

for (const name of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
  if (!name.endsWith(".js")) continue;
  const path = join(DIST, name);
  const text = readFileSync(path, "utf8");
  const rewritten = text
    .replaceAll(ALIAS, (_, target: string) => specifier(path, join(DIST, "lib", `${target}.js`)))
    .replaceAll(ADDRESS, (_, target: string) => specifier(path, resolve(dirname(path), `${target}.js`)));
  if (rewritten !== text) writeFileSync(path, rewritten);
}

/** How `from` names the emitted file `to`. */
function specifier(from: string, to: string): string {
  if (!existsSync(to)) throw new Error(`${from} loads ${to}, which is not emitted: name it in tsconfig.package.json`);
  const path = relative(dirname(from), to).replaceAll(sep, "/");
  return JSON.stringify(path.startsWith(".") ? path : `./${path}`);
}
