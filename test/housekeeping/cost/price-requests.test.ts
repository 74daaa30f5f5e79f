import { expect, test } from "vitest";
import { priceRequests } from "#lib/housekeeping/cost/price-requests.ts";
import { RequestLedger } from "#lib/runtime/ledger.ts";

function priceOf(fill: (ledger: RequestLedger) => void): number {
  const ledger = new RequestLedger();
  fill(ledger);
  return priceRequests(ledger.snapshot()).usd;
}

const times = (count: number, work: () => void) => {
  for (let n = 0; n < count; n++) work();
};

test("a thousand PUTs cost half a cent, a thousand GETs a twelfth of that", () => {
  const none = { sent: 0, received: 0 };
  expect(priceOf((ledger) => times(1_000, () => ledger.count("s3:PutObject", none)))).toBeCloseTo(0.005, 10);
  expect(priceOf((ledger) => times(1_000, () => ledger.count("s3:GetObject", none)))).toBeCloseTo(0.0004, 10);
  expect(priceOf((ledger) => times(1_000, () => ledger.count("s3:DeleteObjects", none)))).toBe(0);
  expect(priceOf((ledger) => times(1_000, () => ledger.count("s3:ListObjectsV2", none)))).toBeCloseTo(0.005, 10);
});

test("a directory bucket charges less a request, and for bytes", () => {
  const target = { target: "logs--use1-az4--x-s3" };
  const put = priceOf((ledger) => times(1_000, () => ledger.count("s3:PutObject", { sent: 1e6, received: 0 }, target)));
  expect(put).toBeCloseTo(0.00113 + 0.0032, 10);
  const get = priceOf((ledger) => times(1_000, () => ledger.count("s3:GetObject", { sent: 0, received: 1e6 }, target)));
  expect(get).toBeCloseTo(0.00003 + 0.0006, 10);
});

test("DynamoDB charges by units, and one where nobody told them", () => {
  const bytes = { sent: 100, received: 100 };
  const million = (count: number) => count / 1e6;
  expect(priceOf((ledger) => ledger.count("dynamodb:PutItem", bytes, { units: 5 }))).toBeCloseTo(million(3.125), 12);
  expect(priceOf((ledger) => ledger.count("dynamodb:PutItem", bytes))).toBeCloseTo(million(0.625), 12);
  expect(priceOf((ledger) => ledger.count("dynamodb:Query", bytes, { units: 4 }))).toBeCloseTo(million(0.5), 12);
  expect(priceOf((ledger) => ledger.count("dynamodb:PutItem", bytes, { hasFailed: true }))).toBe(0);
});

test("a million calls of a function cost a fifth of a dollar, and their time by the memory", () => {
  const call = { target: "produce", units: 0.5 * 0.012 };
  const usd = priceOf((ledger) => times(1_000, () => ledger.count("lambda:Invoke", { sent: 0, received: 0 }, call)));
  expect(usd).toBeCloseTo(0.0002 + 6 * 0.0000133334, 10);
});

test("the sum is that of its lines", () => {
  const ledger = new RequestLedger();
  ledger.count("s3:PutObject", { sent: 1, received: 0 }, { target: "a" });
  ledger.count("s3:PutObject", { sent: 1, received: 0 }, { target: "b", topic: "t" });
  ledger.count("dynamodb:Query", { sent: 1, received: 0 }, { units: 2 });
  const { lines, usd } = priceRequests(ledger.snapshot());
  expect(lines).toHaveLength(3);
  expect(usd).toBeCloseTo(0.00001 + 0.25 / 1e6, 12);
});
