import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { LogError } from "#lib/util/errors.ts";
import { isTimeLimit } from "./attempt.ts";
import { type AwsFailure, connectionRemedy, credentialsRemedy, describeFailure, failureOf } from "./aws-failure.ts";

/** The table is not one of journals, or of a format that this version does not know. */
export class JournalTableError extends LogError {
  override readonly name = "JournalTableError";
  override readonly kind = "fenced";
}

const THROTTLES: ReadonlySet<string> = new Set([
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottlingException",
  "Throttling",
  "TooManyRequestsException",
]);

const CLOCK = "this machine's clock differs from the service's by many minutes: set it";

const KNOWN: ReadonlyMap<string, string> = new Map([
  ["ResourceNotFoundException", "the table does not exist in this region: make it, or correct the journal's address"],
  [
    "AccessDeniedException",
    "access denied: allow these credentials dynamodb:PutItem, dynamodb:Query and dynamodb:BatchWriteItem on the table",
  ],
  ["RequestExpired", CLOCK],
  ["ValidationException", "the table refuses the request: its keys must be journal (String) and seq (Number)"],
  ["KMSAccessDeniedException", "the table's key may not be used: allow these credentials kms:Decrypt and kms:Encrypt"],
]);

/** Makes what a request failed with an error of the port; errors of ours stay. */
export function toJournalError(error: unknown, table: string): Error {
  if (error instanceof LogError) return error;
  if (isTimeLimit(error)) return unavailable(table, error instanceof Error ? error.message : "no answer in time");
  const failure = failureOf(error);
  const { code, status } = failure;
  if (THROTTLES.has(code) || status === 429) {
    const text = "throttled: the table or the account takes no more requests for now";
    return unavailable(table, `${text} (${describeFailure(failure)})`, true);
  }
  const known = KNOWN.get(code) ?? (isClockWrong(failure) ? CLOCK : undefined);
  if (known !== undefined) return unavailable(table, `${known} (${describeFailure(failure)})`);
  const remedy = credentialsRemedy(failure) ?? connectionRemedy(failure);
  return unavailable(table, remedy ?? describeFailure(failure));
}

/** The code is the same for a wrong secret. */
function isClockWrong({ code, message }: AwsFailure): boolean {
  return code === "InvalidSignatureException" && /expired|not yet current/i.test(message);
}

export function unavailable(table: string, text: string, throttled = false): JournalUnavailableError {
  // Without the SDK's error as a cause: its text stands here already.
  return new JournalUnavailableError(`table ${table}: ${text}`, { throttled });
}
