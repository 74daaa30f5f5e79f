import type { ClusterView } from "./cluster-view.ts";

/** What brokers expect of each other, in milliseconds. */
export interface BrokerTimes {
  /** Without a sign of life for so long a broker counts as gone. */
  readonly sessionMs: number;
  readonly heartbeatMs: number;
  /** Without a sign of life for so long it has missed one. */
  readonly missedMs: number;
  /** Spacing of the looks at the cluster journal while others run, so that what they do is seen soon. */
  readonly lookMs: number;
  /** Looks that lie further apart prove no silence. */
  readonly gapMsMax: number;
}

const HEARTBEATS_PER_SESSION_MIN = 3;
const LOOKS_PER_HEARTBEAT = 4;
const GAP_HEARTBEATS = 2;

/** By `broker.session.timeout.ms` and `broker.heartbeat.interval.ms` as they are now. */
export function brokerTimes(cluster: ClusterView): BrokerTimes {
  const sessionMs = cluster.brokerInteger("broker.session.timeout.ms");
  const configuredMs = cluster.brokerInteger("broker.heartbeat.interval.ms");
  // A broker that gives signs of life more seldom than sessions end would be fenced again and again.
  const heartbeatMs = wholeMs(Math.min(configuredMs, sessionMs / HEARTBEATS_PER_SESSION_MIN));
  const lookMs = wholeMs(heartbeatMs / LOOKS_PER_HEARTBEAT);
  return {
    sessionMs,
    heartbeatMs,
    missedMs: heartbeatMs + lookMs,
    lookMs,
    gapMsMax: heartbeatMs * GAP_HEARTBEATS,
  };
}

function wholeMs(ms: number): number {
  return Math.max(1, Math.floor(ms));
}
