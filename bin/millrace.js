#!/usr/bin/env node
// Starts the CLI on a Node that can run it. Where `node` is older than 24, the one that npm has brought along takes over;
// this file is plain JavaScript because an older Node must be able to read it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 24;
const source = new URL("./millrace.ts", import.meta.url);
// An installed package has what the compiler made of the sources instead.
const main = existsSync(source) ? source : new URL("../dist/bin/millrace.js", import.meta.url);

if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN) {
  await import(main.href);
} else {
  const bundled = bundledNode();
  if (bundled === undefined) {
    process.stderr.write(
      `millrace needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.version}; npm brings one along unless it is told to omit optional packages\n`,
    );
    process.exit(1);
  }
  const child = spawn(bundled, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends its signals to both processes; whoever signals us alone means the broker as well.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
}

/** The Node of our optional packages, wherever the package manager has put them. */
function bundledNode() {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  for (const name of [`node-${platform}`, `node-bin-${platform}`]) {
    try {
      const manifest = require.resolve(`${name}/package.json`);
      return join(dirname(manifest), require(manifest).bin.node);
    } catch {
      // Not installed; the other one may be.
    }
  }
  return undefined;
}
