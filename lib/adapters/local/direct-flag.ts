import { constants } from "node:fs";

/** Bypassing the page cache (open(2), O_DIRECT). Not every system can. */
const DIRECT: number | undefined = constants.O_DIRECT;

/** For open(2). Fails with EINVAL, as file systems without it do. */
export function direct(isDirect: boolean): number {
  if (!isDirect) return 0;
  if (DIRECT === undefined) throw Object.assign(new Error("no O_DIRECT"), { code: "EINVAL" });
  return DIRECT;
}
