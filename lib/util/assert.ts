/** A broken promise of our own code, never of a caller's input. Stays on in production. */
export class AssertionFailedError extends Error {
  override readonly name = "AssertionFailedError";
}

export function assert(condition: boolean, message = "assertion failed"): asserts condition {
  if (!condition) throw new AssertionFailedError(message);
}

/** Returns `value`, which our own code guarantees to be there. */
export function defined<T>(value: T | undefined | null, what = "value"): T {
  if (value === undefined || value === null) throw new AssertionFailedError(`${what} is not defined`);
  return value;
}

/** Closes a `switch` over a union: the compiler proves that no case is left. */
export function unreachable(value: never): never {
  throw new AssertionFailedError(`unreachable case: ${String(value)}`);
}
