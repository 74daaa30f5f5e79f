import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Leaves on the heap what is still used, so that two looks at it can be compared. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("this Node has no gc()");
  collect();
}
