#!/usr/bin/env node
// Starts the CLI on a Node that can run it. Where `node` is older than 24, the one that `npm ci` has brought along takes
// over; this file is plain JavaScript because an older Node must be able to read it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 24;
const main = new URL("./millrace.ts", import.meta.url);

if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN) {
  await import(main.href);
} else {
  const bundled = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
  if (!existsSync(bundled)) {
    process.stderr.write(`millrace needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.version}: run npm ci\n`);
    process.exit(1);
  }
  const child = spawn(bundled, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends its signals to both processes; whoever signals us alone means the broker as well.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
}
