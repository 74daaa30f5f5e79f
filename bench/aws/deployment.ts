import { parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { awsDefaults } from "#lib/config/aws-defaults.ts";
import type { StartSettings } from "#lib/gateway/start-broker.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import {
  BLOCK_CACHE_BYTES_MAX,
  DYNAMODB_POLL_MS,
  TAIL_CACHE_BYTES_MAX,
  TEST_BROKER_DRAIN_MS,
  UPLOADS_IN_FLIGHT_MAX,
} from "#lib/util/limits.ts";
import { type Latency, S3_EXPRESS, S3_STANDARD, type StoreLatency } from "./latency.ts";

export type StoreClass = "Standard" | "Express";

/** A gateway and what it runs on. */
export interface Deployment {
  readonly storeClass: StoreClass;
  readonly storeCount: number;
  /** That of the defaults if left out. */
  readonly lingerMs?: number;
  /** How many times as long the calls of store 0 take, where the gateway is at home. Default: as long as others'. */
  readonly slowdown?: number;
}

const LATENCIES: Readonly<Record<StoreClass, StoreLatency>> = { Standard: S3_STANDARD, Express: S3_EXPRESS };

/** What the calls of a store take. */
export function latencyOf(
  { storeClass, slowdown = 1 }: Pick<Deployment, "storeClass" | "slowdown">,
  storeId: number,
): StoreLatency {
  const { put, get } = LATENCIES[storeClass];
  const factor = storeId === 0 ? slowdown : 1;
  const times = ({ p50Ms, p99Ms }: Latency): Latency => ({ p50Ms: p50Ms * factor, p99Ms: p99Ms * factor });
  return { put: times(put), get: times(get) };
}

/** Names say to which class a bucket belongs. */
export function bucketsOf({
  storeClass,
  storeCount,
}: Pick<Deployment, "storeClass" | "storeCount">): readonly string[] {
  const suffix = storeClass === "Express" ? "--use1-az4--x-s3" : "";
  return Array.from({ length: storeCount }, (_, id) => `bench-${id}${suffix}`);
}

/** What `millrace serve` would start with on these buckets, at a free port of this machine. */
export function gatewaySettings(deployment: Deployment): StartSettings {
  const { lingerMs, inlineBytesMax } = awsDefaults(bucketsOf(deployment).map((bucket) => ({ bucket })));
  const listener = { name: "PLAINTEXT", host: "127.0.0.1", port: 0 };
  return {
    identity: { brokerId: 0, rack: null },
    startConfigs: parseBrokerConfigs([["listeners", "PLAINTEXT://127.0.0.1:0"]]),
    append: {
      ...DEFAULT_APPEND_SETTINGS,
      lingerMs: deployment.lingerMs ?? lingerMs,
      inlineBytesMax,
      uploadsInFlightMax: UPLOADS_IN_FLIGHT_MAX,
    },
    tailCacheBytesMax: TAIL_CACHE_BYTES_MAX,
    blockCacheBytesMax: BLOCK_CACHE_BYTES_MAX,
    journalPollMs: DYNAMODB_POLL_MS,
    listeners: [listener],
    drainMs: TEST_BROKER_DRAIN_MS,
  };
}
