import { expect, test } from "vitest";
import { failureOf } from "#lib/adapters/aws/aws-failure.ts";
import { toJournalError } from "#lib/adapters/aws/dynamodb-failure.ts";
import { toStoreError } from "#lib/adapters/aws/s3-failure.ts";
import { ObjectNotFoundError } from "#lib/storage/object-store.ts";
import { objectKey } from "#lib/util/branded.ts";

const named = (name: string, message: string) => Object.assign(new Error(message), { name });

test("missing credentials and a missing region are told with what to set", () => {
  const credentials = named("CredentialsProviderError", "Could not load credentials from any providers");
  expect(toStoreError(credentials, "s3://b")).toMatchObject({
    reason: "root",
    message: expect.stringMatching(/^store s3:\/\/b: no AWS credentials are found: set AWS_ACCESS_KEY_ID/),
  });
  expect(toJournalError(credentials, "t").message).toMatch(/^table t: no AWS credentials are found/);
  expect(toJournalError(new Error("Region is missing"), "t").message).toContain("set AWS_REGION");
});

test("a refused connection to several addresses is told by its first", () => {
  const each = Object.assign(new Error("connect ECONNREFUSED ::1:4566"), { code: "ECONNREFUSED" });
  const failure = failureOf(new AggregateError([each], ""));
  expect(failure).toEqual({ code: "ECONNREFUSED", status: 0, message: "connect ECONNREFUSED ::1:4566" });
});

test("a text of several lines becomes one", () => {
  expect(failureOf(new Error("a\n  b")).message).toBe("a b");
  expect(failureOf("odd")).toEqual({ code: "unknown", status: 0, message: "odd" });
});

test("errors of ours pass through unchanged", () => {
  const missing = new ObjectNotFoundError(objectKey("k"));
  expect(toStoreError(missing, "s3://b")).toBe(missing);
  expect(toJournalError(missing, "t")).toBe(missing);
});

test("a signature that is not accepted is told by its cause, without what was signed", () => {
  const signed =
    "The Canonical String for this request should have been\n'POST\n/\n\nhost:dynamodb\nx-amz-security-token:IQoJb3JpZ2lu\n'" +
    "\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20261121T181900Z'";
  const wrongSecret = named(
    "InvalidSignatureException",
    `The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.\n\n${signed}`,
  );
  const { message } = toJournalError(wrongSecret, "t");
  expect(message).toContain("the AWS credentials are not accepted");
  expect(message).not.toContain("x-amz-security-token");
  const wrongClock = named(
    "InvalidSignatureException",
    `Signature expired: 20261121T1 is now earlier than 20261121T2. ${signed}`,
  );
  expect(toJournalError(wrongClock, "t").message).toMatch(/clock differs.*Signature expired/);
  expect(toJournalError(wrongClock, "t").message).not.toContain("x-amz-security-token");
  expect(failureOf(wrongSecret).message).not.toContain("IQoJ");
});
