import { expect, test } from "vitest";
import { httpErrorFrom, httpErrorOf, recordErrorCode } from "#lib/http/error-table.ts";
import { errorBody, HttpError } from "#lib/http/http-error.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { TimeLimitError } from "#lib/runtime/deadline.ts";

test("every error of Kafka's has a status of its kind, and its number begins with it", () => {
  for (const [name, code] of Object.entries(ErrorCode)) {
    if (code === ErrorCode.NONE) continue;
    const { status, errorCode, message } = httpErrorOf(code);
    expect(status, name).toBeGreaterThanOrEqual(400);
    expect(Math.floor(errorCode / 100), name).toBe(status);
    expect(message, name).not.toBe("");
  }
});

test("what may pass says when to come back", () => {
  expect(httpErrorOf(ErrorCode.NOT_ENOUGH_REPLICAS)).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  expect(httpErrorOf(ErrorCode.UNKNOWN_SERVER_ERROR)).toMatchObject({ status: 500, headers: {} });
  expect(recordErrorCode(ErrorCode.REQUEST_TIMED_OUT)).toBe(50003);
  expect(recordErrorCode(ErrorCode.UNKNOWN_SERVER_ERROR)).toBe(50002);
});

test("what is thrown becomes a refusal that gives nothing away", () => {
  expect(httpErrorFrom(new TimeLimitError(5))).toMatchObject({ status: 504, errorCode: 50401 });
  const silent = new JournalUnavailableError("no answer", { throttled: true });
  expect(httpErrorFrom(silent)).toMatchObject({ status: 503, errorCode: 50302 });
  const bug = httpErrorFrom(new TypeError("x is not a function"));
  expect([bug.status, bug.errorCode]).toEqual([500, 50002]);
  expect(bug.message).not.toContain("function");
});

test("v3 repeats the status where v1 and v2 have a finer number", () => {
  const error = new HttpError({ status: 404, errorCode: 40401, message: "There is none." });
  expect(errorBody("v2", error)).toEqual({ error_code: 40401, message: "There is none." });
  expect(errorBody("v3", error)).toEqual({ error_code: 404, message: "There is none." });
});
