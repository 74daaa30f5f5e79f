import { checkDependencies, checkLinks, checkLockfile } from "./documents.ts";
import { checkLayers } from "./layers.ts";
import { readTree } from "./tree.ts";
import { checkWords } from "./words.ts";

// What neither the compiler nor the linter can say about this repository. One finding per line; any one is status 1.

const files = readTree();
const checks = [checkLayers, checkWords, checkLinks, checkDependencies, checkLockfile];
const findings = checks.flatMap((check) => check(files));
for (const { path, line, text } of findings) console.log(`${path}:${line}: ${text}`);
if (findings.length > 0) process.exitCode = 1;
