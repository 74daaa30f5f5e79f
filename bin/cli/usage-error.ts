/** What the user typed or set cannot be meant; exit status 2. The text says what would be right. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command ran and failed, and its text says what to do; exit status 1. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
}
