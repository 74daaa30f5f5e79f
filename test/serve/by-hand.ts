import { join } from "node:path";
import { type Ended, ROOT, ServeProcess } from "./serve-process.ts";

/** Runs `millrace ARGS`, a command that ends by itself. */
export async function byHand(...args: readonly string[]): Promise<Ended> {
  await using child = new ServeProcess([process.execPath, join(ROOT, "bin/millrace.ts"), ...args]);
  return await child.ended;
}
