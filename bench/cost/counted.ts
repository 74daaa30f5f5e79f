import { AWS_PRICES, GB, MONTH_MS } from "#lib/housekeeping/cost/aws-prices.ts";
import { priceRequests } from "#lib/housekeeping/cost/price-requests.ts";
import type { LedgerLine } from "#lib/runtime/ledger.ts";
import { MEGABYTE } from "../kafka/sizes.ts";

/** What a stretch of time came to. */
export interface Counted {
  readonly lines: readonly LedgerLine[];
  /** Write units of the journals' records that were added: what deleting them will cost again. */
  readonly appendedUnits: number;
  /** Of a table that is paid by the hour. */
  readonly provisioned?: ProvisionedUnits | undefined;
  /** Of records' values. */
  readonly producedBytes: number;
  readonly seconds: number;
}

/** The most that stood at any time, and how many requests were refused for want of it. */
export interface ProvisionedUnits {
  readonly writes: number;
  readonly reads: number;
  readonly throttled: number;
  /** That move the capacity; none where it is fixed. */
  readonly alarms: number;
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
/** How long an answer may be kept. */
const NAME_SECONDS = 10;

/** Requests as in this stretch, for a month of it. */
export function requestsAMonthUsd({ lines, seconds }: Pick<Counted, "lines" | "seconds">): number {
  return (priceRequests(lines).usd * MONTH_MS) / (seconds * 1_000);
}

/** Deleting an item is charged as writing it was, so in the long run trims cost what appends that succeeded do. */
export function trimsAMonthUsd({ appendedUnits, seconds }: Counted): number {
  return (appendedUnits * AWS_PRICES.dynamodb.writeUnit * MONTH_MS) / (seconds * 1_000);
}

/** Capacity by the hour, by its highest in this stretch, and the alarms that move it. */
export function capacityAMonthUsd({ provisioned }: Counted): number {
  if (provisioned === undefined) return 0;
  const { dynamodb, alarmMonth } = AWS_PRICES;
  const perHour = provisioned.writes * dynamodb.writeUnitHour + provisioned.reads * dynamodb.readUnitHour;
  return perHour * HOURS_A_MONTH + provisioned.alarms * alarmMonth;
}

/** All that is charged by the request where the table is paid by the hour. */
export function requestsBesideTableAMonthUsd({ lines, seconds }: Counted): number {
  return requestsAMonthUsd({ lines: lines.filter(({ kind }) => !kind.startsWith("dynamodb:")), seconds });
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

/** One network load balancer between brokers and all their clients. TCP takes a unit for each GB an hour, in whichever direction. */
export function loadBalancerAMonthUsd({ producedBytes, seconds }: Counted, consumers: number): number {
  const { hour, unitHour, unitBytes } = AWS_PRICES.networkLoadBalancer;
  const bytesAnHour = (producedBytes / seconds) * 3_600 * (1 + consumers);
  return (hour + (bytesAnHour / unitBytes) * unitHour) * HOURS_A_MONTH;
}

/** A name for each broker, which every client looks up as often as the answer is too old: more than clients that stay connected. */
export function namesAMonthUsd({ brokers, clients }: { readonly brokers: number; readonly clients: number }): number {
  const { zoneMonth, query } = AWS_PRICES.route53;
  return zoneMonth + (brokers * clients * MONTH_MS * query) / (NAME_SECONDS * 1_000);
}

/** Each broker has one, however clients reach it. */
export function addressesAMonthUsd(brokers: number): number {
  return brokers * AWS_PRICES.publicAddressHour * HOURS_A_MONTH;
}

/** Each copy of what is kept at any time. */
export function storageAMonthUsd(counted: Counted, kept: { readonly days: number; readonly copies: number }): number {
  const bytes = (counted.producedBytes / counted.seconds) * kept.days * DAY_SECONDS * kept.copies;
  return (bytes / GB) * AWS_PRICES.s3.gbMonth;
}
