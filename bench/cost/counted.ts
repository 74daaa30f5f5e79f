import { AWS_PRICES, GB, MONTH_MS } from "#lib/housekeeping/cost/aws-prices.ts";
import { priceRequests } from "#lib/housekeeping/cost/price-requests.ts";
import type { LedgerLine } from "#lib/runtime/ledger.ts";
import { MEGABYTE } from "../kafka/sizes.ts";

/** What a stretch of time came to. */
export interface Counted {
  readonly lines: readonly LedgerLine[];
  /** Of records' values. */
  readonly producedBytes: number;
  readonly seconds: number;
}

export interface CostTimes {
  /** Not counted: processes start, journals are opened. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const HOURS_A_MONTH = MONTH_MS / 3_600_000;
const DAY_SECONDS = 86_400;
/** What infra deploys for each broker. */
const BROKER_CPUS = 1;
const BROKER_GB = 2;

/** Requests as in this stretch, for a month of it. */
export function requestsAMonthUsd({ lines, seconds }: Counted): number {
  return (priceRequests(lines).usd * MONTH_MS) / (seconds * 1_000);
}

/** Requests to one service, by the beginning of their kind. */
export function requestsOf({ lines }: Pick<Counted, "lines">, kind: string): number {
  return lines.filter((line) => line.kind.startsWith(kind)).reduce((sum, { requests }) => sum + requests, 0);
}

export function requestsPerMegabyte(counted: Counted, kind: string): number {
  return requestsOf(counted, kind) / (counted.producedBytes / MEGABYTE);
}

export function brokersAMonthUsd(brokers: number): number {
  const { cpuHour, gbHour } = AWS_PRICES.fargate;
  return brokers * HOURS_A_MONTH * (BROKER_CPUS * cpuHour + BROKER_GB * gbHour);
}

/** Each copy of what is kept at any time. */
export function storageAMonthUsd(counted: Counted, kept: { readonly days: number; readonly copies: number }): number {
  const bytes = (counted.producedBytes / counted.seconds) * kept.days * DAY_SECONDS * kept.copies;
  return (bytes / GB) * AWS_PRICES.s3.gbMonth;
}
