import { KIB } from "#lib/util/limits.ts";

/** What a slow store may take for so many bytes, in milliseconds: 1 MiB a second. */
export function transferMs(byteLength: number): number {
  return Math.ceil(byteLength / KIB);
}
