import { join } from "node:path";
import { PARTS, SOURCES } from "../paths.ts";

/**
 * The command line that runs a handler as Lambda does, up to the handler's name: this Node, AWS's own runtime client, and
 * our stand-in for its compiled part. Needs `install(["runtime-client"])`.
 */
export function runtimeClientCommand(): readonly string[] {
  const shim = join(SOURCES, "lambda/runtime-shim.cjs");
  const client = join(PARTS["runtime-client"], "node_modules/aws-lambda-ric/index.mjs");
  return [process.execPath, "--require", shim, client];
}
