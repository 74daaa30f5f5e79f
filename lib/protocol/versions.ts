import { assert } from "#lib/util/assert.ts";

/** Both ends inclusive; empty if `min > max`. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

const VERSION_MAX = 0x7fff;
export const NO_VERSIONS: VersionRange = { min: 0, max: -1 };
export const ALL_VERSIONS: VersionRange = { min: 0, max: VERSION_MAX };

/** Reads Kafka's notation: "3-12", "9+", "0" or "none". */
export function parseVersions(text: string): VersionRange {
  if (text === "none") return NO_VERSIONS;
  const match = /^(\d+)(?:-(\d+)|(\+))?$/.exec(text);
  assert(match !== null, `not a version range: ${text}`);
  const min = Number(match[1]);
  if (match[3] !== undefined) return { min, max: VERSION_MAX };
  return { min, max: match[2] === undefined ? min : Number(match[2]) };
}

export function includesVersion(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}
