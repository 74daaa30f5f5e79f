/** What a failed request tells, in words that are not the SDK's. */
export interface AwsFailure {
  /** The service's code such as `SlowDown`, or the system's such as `ECONNREFUSED`, or the name of the SDK's error. */
  readonly code: string;
  /** Of the HTTP answer; 0 without one. */
  readonly status: number;
  /** On one line. */
  readonly message: string;
}

/** DynamoDB repeats the whole request to whoever signs it wrongly, with the session's token among its headers. */
const SIGNED = /The (?:canonical string|string-to-sign).*/is;

/** Node hides the system's code of a failed connection to several addresses in the first of its errors. */
export function failureOf(error: unknown): AwsFailure {
  if (!(error instanceof Error)) return { code: "unknown", status: 0, message: String(error) };
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  const status = statusOf(error);
  const systemCode = textOf(error, "code") ?? textOf(first, "code");
  const code = status === 0 && systemCode !== undefined ? systemCode : error.name;
  const message = error.message === "" && first instanceof Error ? first.message : error.message;
  return { code, status, message: message.replace(SIGNED, "").replaceAll(/\s+/g, " ").trim() };
}

/** As a text for operators: code, status and message. */
export function describeFailure({ code, status, message }: AwsFailure): string {
  const head = status === 0 ? code : `${code} (HTTP ${status})`;
  return message === "" || message === code ? head : `${head}: ${message}`;
}

const CREDENTIALS_MISSING =
  "no AWS credentials are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role";
const CREDENTIALS_REFUSED = "the AWS credentials are not accepted: check the key, its secret and whether it is active";
const CREDENTIALS_EXPIRED = "the AWS credentials have expired: renew them";

/** What goes wrong with credentials and regions is the same for every service. Undefined: something else. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["CredentialsProviderError", CREDENTIALS_MISSING],
  ["TokenProviderError", CREDENTIALS_EXPIRED],
  ["InvalidAccessKeyId", CREDENTIALS_REFUSED],
  ["SignatureDoesNotMatch", CREDENTIALS_REFUSED],
  ["InvalidSignatureException", CREDENTIALS_REFUSED],
  ["InvalidToken", CREDENTIALS_REFUSED],
  ["UnrecognizedClientException", CREDENTIALS_REFUSED],
  ["InvalidClientTokenId", CREDENTIALS_REFUSED],
  ["MissingAuthenticationTokenException", CREDENTIALS_REFUSED],
  ["IncompleteSignatureException", CREDENTIALS_REFUSED],
  ["ExpiredToken", CREDENTIALS_EXPIRED],
  ["ExpiredTokenException", CREDENTIALS_EXPIRED],
  ["TokenRefreshRequired", CREDENTIALS_EXPIRED],
]);

export function credentialsRemedy(failure: AwsFailure): string | undefined {
  if (failure.message.includes("Region is missing")) {
    return "no AWS region is set: set AWS_REGION, or add ?region=NAME to the address";
  }
  return REMEDIES.get(failure.code);
}

/** The host is not there, or not at that address. Undefined: something else. */
export function connectionRemedy({ code, status, message }: AwsFailure): string | undefined {
  if (status !== 0) return undefined;
  const isAddress = ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"].includes(code);
  if (isAddress) return `cannot be reached (${message}): check the endpoint, the region and the network`;
  return code === "TimeoutError" ? "takes no connection: check the endpoint, the region and the network" : undefined;
}

function statusOf(error: Error): number {
  const metadata = "$metadata" in error ? error.$metadata : undefined;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return 0;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : 0;
}

function textOf(value: unknown, name: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Object.getOwnPropertyDescriptor(value, name)?.value;
  return typeof found === "string" ? found : undefined;
}
