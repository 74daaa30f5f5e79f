import { expect, test } from "vitest";
import { NO_LEDGER, RequestLedger } from "#lib/runtime/ledger.ts";

test("a ledger adds up requests, failures, bytes and units by kind, target and topic", () => {
  const ledger = new RequestLedger();
  ledger.count("s3:PutObject", { sent: 10, received: 0 }, { target: "b" });
  ledger.count("s3:PutObject", { sent: 5, received: 1 }, { target: "b", hasFailed: true });
  ledger.count("s3:PutObject", { sent: 7, received: 0 }, { target: "a" });
  ledger.count("s3:PutObject", { sent: 1, received: 0 }, { target: "a", topic: "places" });
  ledger.count("dynamodb:Query", { sent: 2, received: 3 }, { target: "t", units: 0.5 });
  ledger.count("dynamodb:Query", { sent: 2, received: 3 }, { target: "t", units: 1 });
  const zero = { topic: "", failures: 0, bytesReceived: 0, units: 0 };
  expect(ledger.snapshot()).toEqual([
    { ...zero, kind: "dynamodb:Query", target: "t", requests: 2, bytesSent: 4, bytesReceived: 6, units: 1.5 },
    { ...zero, kind: "s3:PutObject", target: "a", requests: 1, bytesSent: 7 },
    { ...zero, kind: "s3:PutObject", target: "a", topic: "places", requests: 1, bytesSent: 1 },
    { ...zero, kind: "s3:PutObject", target: "b", requests: 2, failures: 1, bytesSent: 15, bytesReceived: 1 },
  ]);
});

test("a snapshot does not change with what is counted later", () => {
  const ledger = new RequestLedger();
  ledger.count("lambda:Invoke", { sent: 1, received: 1 });
  const before = ledger.snapshot();
  ledger.count("lambda:Invoke", { sent: 1, received: 1 });
  expect(before.map(({ requests }) => requests)).toEqual([1]);
  NO_LEDGER.count("lambda:Invoke", { sent: 1, received: 1 });
  expect(ledger.snapshot().map(({ requests }) => requests)).toEqual([2]);
});
