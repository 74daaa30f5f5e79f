import type { Measured } from "../support/statistics.ts";
import type { BenchContext, BenchSuite } from "../support/suite.ts";
import {
  brokersAMonthUsd,
  type CostTimes,
  type Counted,
  requestsAMonthUsd,
  requestsOf,
  requestsPerMegabyte,
  storageAMonthUsd,
} from "./counted.ts";
import { countHttps, countIdle } from "./function-costs.ts";
import { countGateway } from "./gateway-cost.ts";

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
const HTTPS_TIMES_SMALL: CostTimes = { warmUpSeconds: 1, seconds: 5 };

function https(arrivals: "even" | "random", label: string, goal?: number): CostScenario {
  const name = `10 records/s over HTTPS, ${label}`;
  const unit = MONTH;
  const trims = `${name}: trims, from when records are old`;
  const sum = `${name}: all requests`;
  return {
    count: (isSmall) => countHttps({ storeCount: 1, arrivals }, isSmall ? HTTPS_TIMES_SMALL : HTTPS_TIMES),
    rows: [
      ...perRecordRows(name),
      goal === undefined
        ? { name: sum, unit, value: requestsAMonthUsd }
        : { name: `${sum}; goal`, unit, value: requestsAMonthUsd, goal },
      { name: trims, unit, value: trimsAMonthUsd },
    ],
  };
}

/** Deleting an item is charged as writing it was, so in the long run trims cost what appends do. */
function trimsAMonthUsd(counted: Counted): number {
  const appends = counted.lines.filter(({ kind }) => kind === "dynamodb:PutItem");
  return requestsAMonthUsd({ ...counted, lines: appends });
}

const GATEWAY_TIMES: CostTimes = { warmUpSeconds: 20, seconds: 60 };
const GATEWAY_TIMES_SMALL: CostTimes = { warmUpSeconds: 1, seconds: 2 };

function gateway(storeCount: number, goal: number): CostScenario {
  const name = `10 MB/s, 3 consumers, ${storeCount} store${storeCount === 1 ? "" : "s"} and brokers`;
  return {
    count: (isSmall) => countGateway(storeCount, isSmall ? GATEWAY_TIMES_SMALL : GATEWAY_TIMES),
    rows: [
      ...perRecordRows(name),
      { name: `${name}: all requests`, unit: MONTH, value: requestsAMonthUsd },
      { name: `${name}: brokers`, unit: MONTH, value: () => brokersAMonthUsd(storeCount) },
      {
        name: `${name}: requests and brokers; goal`,
        unit: MONTH,
        value: (counted) => requestsAMonthUsd(counted) + brokersAMonthUsd(storeCount),
        goal,
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
  https("even", "evenly", 25),
  https("random", "at random"),
  gateway(1, 430),
  gateway(3, 900),
];

/** Time is simulated and the seed is fixed, so that a second sample would be the same. */
export const costSuite: BenchSuite = {
  name: "cost",
  what: "requests counted and priced: idle, 10 records/s over HTTPS, 10 MB/s through a gateway, beside the goals (a minute)",
  async run({ isSmall, wants, say }: BenchContext) {
    const measured: Measured[] = [];
    for (const { rows, count } of SCENARIOS) {
      const wanted = rows.filter(({ name }) => wants(name));
      if (wanted.length === 0) continue;
      const counted = await count(isSmall);
      for (const { kind, target, requests, units } of counted.lines) {
        say(`${kind} ${target}: ${requests} requests, ${Math.round(units)} units in ${Math.round(counted.seconds)} s`);
      }
      for (const { name, unit, value, goal } of wanted) {
        const reference = goal === undefined ? [] : [goal];
        measured.push({ name, unit, better: "lower", ours: [value(counted)], reference });
      }
    }
    return measured;
  },
};
