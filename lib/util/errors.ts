/**
 * What the caller may do about an error:
 * `invalid` change the request; `conflict` catch up and propose again; `fenced` stop writing; `unavailable` retry
 * later; `corrupt` raise an alarm, never retry blindly; `internal` a bug of ours.
 */
export type ErrorKind = "invalid" | "conflict" | "fenced" | "unavailable" | "corrupt" | "internal";

/** The base of every error that crosses a boundary between folders. */
export abstract class LogError extends Error {
  // Spelled out in each class: minified bundles rename classes.
  abstract override readonly name: string;
  abstract readonly kind: ErrorKind;
}
