import type { KeyOperation, KeyRight } from "#lib/cluster/api-key-state.ts";

/** Whether one of the rights lets its holder do `operation` to the topic or group `name`. `admin` allows everything. */
export function allows(rights: readonly KeyRight[], operation: KeyOperation, name: string): boolean {
  return rights.some(
    (right) => right.operation === "admin" || (right.operation === operation && matches(right.pattern, name)),
  );
}

/** Whether one of the rights is `operation`, whatever its names, or `admin`. */
export function allowsSome(rights: readonly KeyRight[], operation: KeyOperation): boolean {
  return rights.some((right) => right.operation === "admin" || right.operation === operation);
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
