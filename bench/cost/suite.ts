import type { ProvisionedCapacity } from "#lib/config/journal-capacity.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchContext, BenchSuite } from "../support/suite.ts";
import {
  addressesAMonthUsd,
  brokersAMonthUsd,
  type CostTimes,
  type Counted,
  capacityAMonthUsd,
  loadBalancerAMonthUsd,
  namesAMonthUsd,
  requestsAMonthUsd,
  requestsBesideTableAMonthUsd,
  requestsOf,
  requestsPerMegabyte,
  storageAMonthUsd,
  trimsAMonthUsd,
} from "./counted.ts";
import { countHttps, countIdle, type HttpsLoad } from "./function-costs.ts";
import { countGateway, CONSUMERS as GATEWAY_CONSUMERS } from "./gateway-cost.ts";

const RETENTION_DAYS = 7;

interface CostRow {
  readonly name: string;
  readonly unit: string;
  readonly value: (counted: Counted) => number;
  readonly goal?: number;
}

/** One simulated stretch of time, and what is told of it. */
interface CostScenario {
  readonly rows: readonly CostRow[];
  count(isSmall: boolean): Promise<Counted>;
}

const MONTH = "$ a month";
const PER_HOUR = "requests/h";
const PER_MEGABYTE = "requests/MB";

const idle: CostScenario = {
  count: (isSmall) => countIdle(3, isSmall ? { settleHours: 1, hours: 1 } : { settleHours: 2, hours: 48 }),
  rows: [
    { name: "idle, functions only: calls of functions", unit: PER_HOUR, value: perHour("lambda:") },
    { name: "idle, functions only: DynamoDB", unit: PER_HOUR, value: perHour("dynamodb:") },
    { name: "idle, functions only: S3", unit: PER_HOUR, value: perHour("s3:") },
    { name: "idle, functions only: all requests", unit: MONTH, value: requestsAMonthUsd },
  ],
};

function perHour(kind: string): CostRow["value"] {
  return (counted) => requestsOf(counted, kind) / (counted.seconds / 3_600);
}

function perRecordRows(name: string): readonly CostRow[] {
  return [
    { name: `${name}: DynamoDB`, unit: PER_MEGABYTE, value: (counted) => requestsPerMegabyte(counted, "dynamodb:") },
    { name: `${name}: S3`, unit: PER_MEGABYTE, value: (counted) => requestsPerMegabyte(counted, "s3:") },
  ];
}

const HTTPS_TIMES: CostTimes = { warmUpSeconds: 60, seconds: 600 };
/** Capacity settles first, and snapshots begin to come. */
const PROVISIONED_TIMES: CostTimes = { warmUpSeconds: 360, seconds: 900 };
const HTTPS_TIMES_SMALL: CostTimes = { warmUpSeconds: 1, seconds: 5 };
const HTTPS_GOAL = 25;

type Arrivals = HttpsLoad["arrivals"];

function httpsName(arrivals: Arrivals): string {
  return `10 records/s over HTTPS, ${arrivals === "even" ? "evenly" : "at random"}`;
}

function https(arrivals: Arrivals): CostScenario {
  const name = httpsName(arrivals);
  const load = { storeCount: 1, arrivals, capacity: "on-demand" } as const;
  const all = (counted: Counted): number => requestsAMonthUsd(counted) + trimsAMonthUsd(counted);
  return {
    count: (isSmall) => countHttps(load, isSmall ? HTTPS_TIMES_SMALL : HTTPS_TIMES),
    rows: [
      ...perRecordRows(name),
      { name: `${name}: all requests before trims; goal`, unit: MONTH, value: requestsAMonthUsd, goal: HTTPS_GOAL },
      { name: `${name}: trims, from when records are old`, unit: MONTH, value: trimsAMonthUsd },
      { name: `${name}: requests and trims; goal`, unit: MONTH, value: all, goal: HTTPS_GOAL },
    ],
  };
}

/** Half again of what the load takes: trims come in bursts, which what was saved before pays. */
const CAPACITY: ProvisionedCapacity = { minWrites: 30, maxWrites: 30, minReads: 10, maxReads: 10, targetPercent: 70 };

/** The same load where journals are paid by the hour, when it has gone on for more than a day. */
function httpsProvisioned(arrivals: Arrivals): CostScenario {
  const name = `${httpsName(arrivals)}, journals paid by the hour`;
  const load = { storeCount: 1, arrivals, capacity: CAPACITY } as const;
  const all = (counted: Counted): number => requestsBesideTableAMonthUsd(counted) + capacityAMonthUsd(counted);
  return {
    count: (isSmall) => countHttps(load, isSmall ? HTTPS_TIMES_SMALL : PROVISIONED_TIMES),
    rows: [
      {
        name: `${name}: ${CAPACITY.minWrites} write and ${CAPACITY.minReads} read units`,
        unit: MONTH,
        value: capacityAMonthUsd,
      },
      { name: `${name}: capacity, requests and trims; goal`, unit: MONTH, value: all, goal: HTTPS_GOAL },
    ],
  };
}

const GATEWAY_TIMES: CostTimes = { warmUpSeconds: 20, seconds: 60 };
const GATEWAY_TIMES_SMALL: CostTimes = { warmUpSeconds: 1, seconds: 2 };

/** The goal is for requests and what runs them. It is borne by the way in that needs no more; the other is told beside it. */
function gateway(storeCount: number, goal: number): CostScenario {
  const name = `10 MB/s, 3 consumers, ${storeCount} store${storeCount === 1 ? "" : "s"} and brokers`;
  const own = (counted: Counted): number =>
    requestsAMonthUsd(counted) + trimsAMonthUsd(counted) + brokersAMonthUsd(storeCount);
  const addresses = addressesAMonthUsd(storeCount);
  // One client produces.
  const byName = addresses + namesAMonthUsd({ brokers: storeCount, clients: 1 + GATEWAY_CONSUMERS });
  const balanced = (counted: Counted): number => addresses + loadBalancerAMonthUsd(counted, GATEWAY_CONSUMERS);
  return {
    count: (isSmall) => countGateway(storeCount, isSmall ? GATEWAY_TIMES_SMALL : GATEWAY_TIMES),
    rows: [
      ...perRecordRows(name),
      { name: `${name}: all requests`, unit: MONTH, value: requestsAMonthUsd },
      { name: `${name}: trims, from when records are old`, unit: MONTH, value: trimsAMonthUsd },
      { name: `${name}: brokers`, unit: MONTH, value: () => brokersAMonthUsd(storeCount) },
      { name: `${name}: names and addresses`, unit: MONTH, value: () => byName },
      {
        name: `${name}: requests, trims, brokers, names and addresses; goal`,
        unit: MONTH,
        value: (counted) => own(counted) + byName,
        goal,
      },
      { name: `${name}: load balancer and addresses`, unit: MONTH, value: balanced },
      {
        name: `${name}: the same through a load balancer; not the goal's`,
        unit: MONTH,
        value: (counted) => own(counted) + balanced(counted),
      },
      {
        name: `${name}: storage of ${RETENTION_DAYS} days`,
        unit: MONTH,
        value: (counted) => storageAMonthUsd(counted, { days: RETENTION_DAYS, copies: storeCount }),
      },
    ],
  };
}

const SCENARIOS: readonly CostScenario[] = [
  idle,
  https("even"),
  httpsProvisioned("even"),
  https("random"),
  httpsProvisioned("random"),
  gateway(1, 430),
  gateway(3, 900),
];

/** Time is simulated and the seed is fixed, so that a second sample would be the same. */
export const costSuite: BenchSuite = {
  name: "cost",
  what: "requests counted and priced: idle, 10 records/s over HTTPS, 10 MB/s through a gateway, beside the goals (two minutes)",
  async run({ isSmall, wants, say }: BenchContext) {
    const measured: Measured[] = [];
    for (const { rows, count } of SCENARIOS) {
      const wanted = rows.filter(({ name }) => wants(name));
      if (wanted.length === 0) continue;
      const counted = await count(isSmall);
      for (const { kind, target, requests, units } of counted.lines) {
        say(`${kind} ${target}: ${requests} requests, ${Math.round(units)} units in ${Math.round(counted.seconds)} s`);
      }
      if (counted.provisioned !== undefined) say(`throttled: ${counted.provisioned.throttled} requests`);
      for (const { name, unit, value, goal } of wanted) {
        const reference = goal === undefined ? [] : [goal];
        measured.push({ name, unit, better: "lower", ours: [value(counted)], reference });
      }
    }
    return measured;
  },
};
