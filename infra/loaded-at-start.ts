import { basename } from "node:path";
import type { Metafile } from "esbuild";

export type BundleOutput = Metafile["outputs"][string];

/** What loads its parts by `import()`, so that services are asked meanwhile; elsewhere that is for what may never come. */
const STARTERS = ["functions/serve-http.ts"];

/** The files that a function has loaded when it asks for work, its entry among them. */
export function loadedAtStart(name: string, { outputs }: Metafile): readonly BundleOutput[] {
  const entry = Object.keys(outputs).find((path) => basename(path) === `${name}.mjs`);
  const found = new Map<string, BundleOutput>();
  const visit = (path: string): void => {
    const output = outputs[path];
    if (output === undefined || found.has(path)) return;
    found.set(path, output);
    const isStarter = path === entry || STARTERS.some((starter) => starter in output.inputs);
    for (const { path: next, kind } of output.imports) if (kind === "import-statement" || isStarter) visit(next);
  };
  if (entry !== undefined) visit(entry);
  return [...found.values()];
}
