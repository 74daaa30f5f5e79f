import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import { LogError } from "#lib/util/errors.ts";
import { isTimeLimit } from "./attempt.ts";
import { type AwsFailure, connectionRemedy, credentialsRemedy, describeFailure, failureOf } from "./aws-failure.ts";

type Reason = StoreUnavailableError["reason"];

const REGION = "the bucket lies in another region: set AWS_REGION, or add ?region=NAME to the store's address";

/** `root`: nothing that time mends, so nobody tries again by himself. Codes without a text are told as they come. */
const KNOWN: ReadonlyMap<string, { readonly reason: Reason; readonly text: string }> = new Map([
  ["NoSuchBucket", { reason: "root", text: "the bucket does not exist: make it, or correct the store's address" }],
  ["InvalidBucketName", { reason: "root", text: "the bucket's name is not valid: correct the store's address" }],
  [
    "AccessDenied",
    {
      reason: "root",
      text: "access denied: allow these credentials s3:GetObject, s3:PutObject and s3:DeleteObject on the bucket's objects and s3:ListBucket on the bucket",
    },
  ],
  ["PermanentRedirect", { reason: "root", text: REGION }],
  ["AuthorizationHeaderMalformed", { reason: "root", text: REGION }],
  ["IllegalLocationConstraintException", { reason: "root", text: REGION }],
  [
    "NotImplemented",
    { reason: "root", text: "the service lacks what is needed of S3: conditional puts (If-None-Match: *)" },
  ],
  ["RequestTimeTooSkewed", { reason: "io", text: "this machine's clock is wrong by many minutes: set it" }],
  ["XMinioStorageFull", { reason: "full", text: "the service has no room left" }],
  ["InsufficientStorage", { reason: "full", text: "the service has no room left" }],
  ["QuotaExceeded", { reason: "full", text: "the bucket's quota is used up: raise it" }],
]);

/** Makes what a request failed with an error of the port; errors of ours stay. `url`: the store, for the text. */
export function toStoreError(error: unknown, url: string): Error {
  if (error instanceof LogError) return error;
  if (isTimeLimit(error)) return unavailable(url, "io", error instanceof Error ? error.message : "no answer in time");
  const failure = failureOf(error);
  const known = KNOWN.get(codeOf(failure));
  if (known !== undefined) return unavailable(url, known.reason, `${known.text} (${describeFailure(failure)})`);
  const credentials = credentialsRemedy(failure);
  // Expired ones are renewed by many providers by themselves, so another try is worth it.
  if (credentials !== undefined) return unavailable(url, isExpired(failure) ? "io" : "root", credentials);
  return unavailable(url, "io", connectionRemedy(failure) ?? describeFailure(failure));
}

/** Answers without a body have no code, only a status. */
function codeOf(failure: AwsFailure): string {
  const { code, status } = failure;
  if (KNOWN.has(code)) return code;
  if (status === 403 && credentialsRemedy(failure) === undefined) return "AccessDenied";
  if (status === 301) return "PermanentRedirect";
  if (status === 507) return "InsufficientStorage";
  return status === 501 ? "NotImplemented" : code;
}

function isExpired({ code }: AwsFailure): boolean {
  return code.startsWith("Expired") || code === "TokenRefreshRequired" || code === "TokenProviderError";
}

function unavailable(url: string, reason: Reason, text: string): StoreUnavailableError {
  // Without the SDK's error as a cause: it holds the request with its body, and its text stands here already.
  return new StoreUnavailableError(`store ${url}: ${text}`, { reason });
}
