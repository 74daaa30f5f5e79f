import { expect, test } from "vitest";
import { itemOrError } from "#lib/broker/admin-request.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { TimeLimitError } from "#lib/runtime/deadline.ts";
import { journalId } from "#lib/util/branded.ts";
import { AdminClient } from "./admin-client.ts";

test.each([
  ["the time is over", new TimeLimitError(5_000)],
  ["a journal does not answer", new JournalUnavailableError("no answer", { throttled: false })],
  ["the outcome is unknown", new UnknownOutcomeError(journalId("cluster"), 7, { reason: "no answer" })],
  ["the connection is gone", new DOMException("gone", "AbortError")],
])("an item fails with REQUEST_TIMED_OUT and a text if %s", async (_, error) => {
  await using client = await AdminClient.start();
  const answer = await itemOrError(client.memory.broker.services, () => Promise.reject(error));
  expect(answer).toEqual({ errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: expect.stringMatching(/./) });
});

test("a mistake of ours is an error of its item and a line in the log, without its text in the answer", async () => {
  await using client = await AdminClient.start();
  const { services } = client.memory.broker;
  const answer = await itemOrError(services, () => Promise.reject(new TypeError("x is not a function")));
  expect(answer).toMatchObject({ errorCode: ErrorCode.UNKNOWN_SERVER_ERROR });
  expect(JSON.stringify(answer)).not.toContain("function");
  expect(client.memory.log).toContainEqual({
    level: "error",
    message: "an administrative request failed",
    fields: { error: "TypeError: x is not a function" },
  });
});
