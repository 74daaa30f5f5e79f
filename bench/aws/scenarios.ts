import type { Deployment } from "./deployment.ts";
import type { Load } from "./open-loop.ts";

export interface Scenario {
  readonly name: string;
  readonly deployment: Deployment;
  readonly load: Load;
  readonly partitions: number;
  /** Milliseconds that an acknowledgement, and a record's way to a consumer, may take. */
  readonly goal: { readonly p50Ms: number; readonly p99Ms: number } | undefined;
}

// No producer has more than the five requests on their way that Kafka's clients allow by default, as long as an answer
// takes half a second at most.
const PRODUCERS = 10;
const REQUESTS_PER_SECOND = 100;
const PARTITIONS = 6;

const RATES: readonly (readonly [label: string, load: Load])[] = [
  ["1 MB/s", { requestsPerSecond: REQUESTS_PER_SECOND, recordsPerRequest: 10, producers: PRODUCERS }],
  ["10 MB/s", { requestsPerSecond: REQUESTS_PER_SECOND, recordsPerRequest: 98, producers: PRODUCERS }],
];

const GATEWAYS: readonly Pick<Scenario, "name" | "deployment" | "goal">[] = [
  {
    name: "Standard, 3 stores, linger 250 ms",
    deployment: { storeClass: "Standard", storeCount: 3, lingerMs: 250 },
    goal: { p50Ms: 260, p99Ms: 480 },
  },
  {
    name: "Standard, 3 stores, linger 50 ms",
    deployment: { storeClass: "Standard", storeCount: 3, lingerMs: 50 },
    goal: { p50Ms: 155, p99Ms: 280 },
  },
  {
    name: "Standard, 1 store, linger 250 ms",
    deployment: { storeClass: "Standard", storeCount: 1, lingerMs: 250 },
    goal: undefined,
  },
  {
    name: "Express, 3 stores, linger 20 ms",
    deployment: { storeClass: "Express", storeCount: 3, lingerMs: 20 },
    goal: { p50Ms: 38, p99Ms: 70 },
  },
];

/** A record is a request, a flush and a record of the journal: what a function does, which has no linger. */
const INLINE: Scenario = {
  name: "inline, 1 partition, 100 records/s, linger 0",
  deployment: { storeClass: "Standard", storeCount: 3, lingerMs: 0 },
  load: { requestsPerSecond: 100, recordsPerRequest: 1, producers: 1 },
  partitions: 1,
  goal: { p50Ms: 12, p99Ms: 30 },
};

export const SCENARIOS: readonly Scenario[] = [
  ...GATEWAYS.flatMap((gateway) =>
    RATES.map(([label, load]) => ({ ...gateway, name: `${gateway.name}, ${label}`, load, partitions: PARTITIONS })),
  ),
  INLINE,
];
