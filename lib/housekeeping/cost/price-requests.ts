import type { LedgerLine } from "#lib/runtime/ledger.ts";
import { AWS_PRICES, type AwsPrices, GB, type ObjectPrices } from "./aws-prices.ts";

export interface PricedLine extends LedgerLine {
  readonly usd: number;
}

export interface PricedRequests {
  readonly lines: readonly PricedLine[];
  readonly usd: number;
}

const WRITES = ["PutItem", "BatchWriteItem", "DeleteItem", "UpdateItem"];
/** Names of directory buckets end so. */
const EXPRESS_SUFFIX = "--x-s3";

/** What the requests of a ledger cost. Storage is not in it: that is no matter of requests. */
export function priceRequests(lines: readonly LedgerLine[], prices: AwsPrices = AWS_PRICES): PricedRequests {
  const priced = lines.map((line) => ({ ...line, usd: priceOf(line, prices) }));
  return { lines: priced, usd: priced.reduce((sum, { usd }) => sum + usd, 0) };
}

function priceOf(line: LedgerLine, prices: AwsPrices): number {
  const [service, operation = ""] = line.kind.split(":");
  if (service === "s3") {
    const isExpress = line.target.endsWith(EXPRESS_SUFFIX);
    return objectPrice(line, operation, isExpress ? prices.s3Express : prices.s3);
  }
  if (service === "lambda") return line.requests * prices.lambda.request + line.units * prices.lambda.gbSecond;
  if (service !== "dynamodb") return 0;
  const { writeUnit, readUnit } = prices.dynamodb;
  // A request that nobody told the units of has cost one at least.
  return Math.max(line.units, line.requests - line.failures) * (WRITES.includes(operation) ? writeUnit : readUnit);
}

/** Refused PUTs are charged like others, also those whose condition did not hold. */
function objectPrice(line: LedgerLine, operation: string, prices: ObjectPrices): number {
  const { requests, bytesSent, bytesReceived } = line;
  if (operation.startsWith("Delete")) return 0;
  if (operation.startsWith("Put")) return requests * prices.put + (bytesSent / GB) * prices.gbSent;
  if (operation.startsWith("List")) return requests * prices.put;
  return requests * prices.get + (bytesReceived / GB) * prices.gbReceived;
}
