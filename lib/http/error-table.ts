import { ErrorCode, errorName, isRetriable } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { TimeLimitError } from "#lib/runtime/deadline.ts";
import { LogError } from "#lib/util/errors.ts";
import { HttpError } from "./http-error.ts";

// From Kafka's errors to HTTP: the one table (docs/HTTP.md shows it). Numbers are the REST Proxy's where it has one.

type Failure = readonly [status: number, errorCode: number];

/** What may pass: the client may send the same request again. */
const UNAVAILABLE: Failure = [503, 50302];
const TIMED_OUT: Failure = [504, 50401];
const INTERNAL: Failure = [500, 50002];
const BAD_REQUEST: Failure = [400, 40002];
const MOVED_ON: Failure = [409, 40904];

const FAILURES: ReadonlyMap<number, Failure> = new Map<number, Failure>([
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, [404, 40401]],
  [ErrorCode.UNKNOWN_TOPIC_ID, [404, 40401]],
  [ErrorCode.UNKNOWN_MEMBER_ID, [404, 40403]],
  [ErrorCode.GROUP_ID_NOT_FOUND, [404, 40405]],
  [ErrorCode.RESOURCE_NOT_FOUND, [404, 40400]],
  [ErrorCode.OFFSET_OUT_OF_RANGE, [416, 41601]],

  [ErrorCode.MESSAGE_TOO_LARGE, [413, 41302]],
  [ErrorCode.RECORD_LIST_TOO_LARGE, [413, 41302]],
  [ErrorCode.CORRUPT_MESSAGE, [422, 42210]],
  [ErrorCode.INVALID_RECORD, [422, 42211]],
  [ErrorCode.INVALID_TIMESTAMP, [422, 42212]],
  [ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, [422, 42213]],
  [ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, [422, 42211]],
  [ErrorCode.INVALID_SESSION_TIMEOUT, [422, 42204]],
  [ErrorCode.OFFSET_METADATA_TOO_LARGE, [422, 42214]],

  [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, [409, 40910]],
  [ErrorCode.INVALID_PRODUCER_EPOCH, [409, 40911]],
  [ErrorCode.PRODUCER_FENCED, [409, 40911]],
  [ErrorCode.DUPLICATE_SEQUENCE_NUMBER, [409, 40912]],
  [ErrorCode.UNKNOWN_PRODUCER_ID, [409, 40913]],
  [ErrorCode.INVALID_PRODUCER_ID_MAPPING, [409, 40913]],
  [ErrorCode.ILLEGAL_GENERATION, MOVED_ON],
  [ErrorCode.REBALANCE_IN_PROGRESS, MOVED_ON],
  [ErrorCode.FENCED_MEMBER_EPOCH, MOVED_ON],
  [ErrorCode.STALE_MEMBER_EPOCH, MOVED_ON],
  [ErrorCode.FENCED_INSTANCE_ID, [409, 40906]],
  [ErrorCode.UNRELEASED_INSTANCE_ID, [409, 40906]],
  [ErrorCode.INCONSISTENT_GROUP_PROTOCOL, [409, 40907]],
  [ErrorCode.NON_EMPTY_GROUP, [409, 40905]],
  [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, [409, 40905]],
  [ErrorCode.GROUP_MAX_SIZE_REACHED, [409, 40908]],
  [ErrorCode.TOPIC_ALREADY_EXISTS, BAD_REQUEST],
  [ErrorCode.INVALID_TOPIC_EXCEPTION, BAD_REQUEST],
  [ErrorCode.INVALID_PARTITIONS, BAD_REQUEST],
  [ErrorCode.INVALID_REPLICATION_FACTOR, BAD_REQUEST],
  [ErrorCode.INVALID_REPLICA_ASSIGNMENT, BAD_REQUEST],
  [ErrorCode.INVALID_CONFIG, BAD_REQUEST],
  [ErrorCode.INVALID_REQUEST, BAD_REQUEST],
  [ErrorCode.INVALID_GROUP_ID, BAD_REQUEST],
  [ErrorCode.INVALID_REGULAR_EXPRESSION, BAD_REQUEST],
  [ErrorCode.POLICY_VIOLATION, BAD_REQUEST],
  [ErrorCode.UNSUPPORTED_VERSION, BAD_REQUEST],
  [ErrorCode.INVALID_TXN_STATE, BAD_REQUEST],

  [ErrorCode.SASL_AUTHENTICATION_FAILED, [401, 40101]],
  [ErrorCode.TOPIC_AUTHORIZATION_FAILED, [403, 40301]],
  [ErrorCode.GROUP_AUTHORIZATION_FAILED, [403, 40301]],
  [ErrorCode.CLUSTER_AUTHORIZATION_FAILED, [403, 40301]],
  [ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, [403, 40301]],
  [ErrorCode.TOPIC_DELETION_DISABLED, [403, 40301]],
  [ErrorCode.THROTTLING_QUOTA_EXCEEDED, [429, 42901]],
  [ErrorCode.REQUEST_TIMED_OUT, TIMED_OUT],
  [ErrorCode.BROKER_NOT_AVAILABLE, UNAVAILABLE],
]);

const RETRY_SOON: Readonly<Record<string, string>> = { "retry-after": "1" };

/** The refusal for one of Kafka's errors. */
export function httpErrorOf(code: ErrorCode, message = errorMessage(code)): HttpError {
  const [status, errorCode] = FAILURES.get(code) ?? (isRetriable(code) ? UNAVAILABLE : INTERNAL);
  const text = FAILURES.has(code) ? message : `${errorName(code)}: ${message}`;
  return new HttpError({ status, errorCode, message: text, headers: status === 503 ? RETRY_SOON : {} });
}

/** The number in the place of an offset, where one record of several was not written. */
export function recordErrorCode(code: ErrorCode): number {
  return isRetriable(code) ? 50003 : 50002;
}

/** The refusal for whatever a handler has thrown. */
export function httpErrorFrom(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof TimeLimitError) return failure(TIMED_OUT, "The time for the request is over.", error);
  if (error instanceof LogError && error.kind === "unavailable") {
    return failure(UNAVAILABLE, `Not available at the moment: ${error.message}`, error);
  }
  return failure(INTERNAL, "Unexpected error on the server; its log says more.", error);
}

function failure([status, errorCode]: Failure, message: string, cause: unknown): HttpError {
  return new HttpError({ status, errorCode, message, cause, headers: status === 503 ? RETRY_SOON : {} });
}
