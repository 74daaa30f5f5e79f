import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { topicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { DescribeClusterResponse } from "#lib/protocol/messages/describe-cluster.ts";
import type { DescribeLogDirsResponse } from "#lib/protocol/messages/describe-log-dirs.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";

/** What `brokers list` shows of one. */
export interface BrokerDescription {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
  /** The store that it is at home at; null where brokers keep their logs themselves. */
  readonly store: StoreId | null;
  readonly rack: string | null;
  /** `fenced`: it was here, and has stopped or gives no sign of life. */
  readonly state: "running" | "fenced";
  readonly leadsPartitions: number;
}

/** What `stores list` shows of one. */
export interface StoreDescription {
  /** Null where it cannot be told. */
  readonly id: StoreId | null;
  readonly url: string;
  /** Who was asked: the brokers at home there, or one that looks after it while there is none. */
  readonly brokers: readonly BrokerId[];
  /** `behind`: some partitions are not in sync there; `failing`: it does not answer as it should. */
  readonly state: "whole" | "behind" | "failing";
  readonly partitions: number;
  readonly underReplicatedPartitions: number;
  /** Of the partitions' records. */
  readonly bytes: number;
}

/** A door that leads to one process only, as HTTPS does, tells of that one's stores. */
interface ClusterQuery {
  readonly isOneDoor: boolean;
  readonly signal: AbortSignal;
}

type Broker = DescribeClusterResponse["brokers"][number];
type LogDir = DescribeLogDirsResponse["results"][number];

interface Asked {
  readonly brokerId: BrokerId;
  readonly logDirs: readonly LogDir[];
}

/** Every broker that was ever here, ascending. Fails with `KafkaError`. */
export async function describeBrokers(client: KafkaClient, query: ClusterQuery): Promise<readonly BrokerDescription[]> {
  const { brokers, controllerId } = await describeCluster(client, query.signal);
  const topics = await topicMetadata(client, null, query.signal);
  const leads = new Map<BrokerId, number>();
  for (const { leaderId } of topics.flatMap(({ partitions }) => partitions)) {
    leads.set(leaderId, (leads.get(leaderId) ?? 0) + 1);
  }
  const { asked } = await askAll(client, { ...query, topics: [], brokers, controllerId });
  const stores = storesOf(asked, brokers);
  return brokers
    .map(({ brokerId: id, host, port, rack, isFenced }): BrokerDescription => {
      const store = stores.size === 0 ? null : id % stores.size;
      const state = isFenced ? "fenced" : "running";
      return { id, host, port, store, rack, state, leadsPartitions: leads.get(id) ?? 0 };
    })
    .sort((a, b) => a.id - b.id);
}

/**
 * Every store that a running broker tells of, by id where that is known, and what brokers were asked in vain. Fails with
 * `KafkaError`.
 */
export async function describeStores(
  client: KafkaClient,
  query: ClusterQuery,
): Promise<{ readonly stores: readonly StoreDescription[]; readonly problems: readonly string[] }> {
  const { brokers, controllerId } = await describeCluster(client, query.signal);
  // Where the brokers are.
  await topicMetadata(client, [], query.signal);
  const { asked, problems } = await askAll(client, { ...query, topics: null, brokers, controllerId });
  const ids = storesOf(asked, brokers);
  const found = new Map<string, StoreDescription>();
  for (const { brokerId, logDirs } of asked) {
    for (const logDir of logDirs) {
      const url = logDir.logDir;
      // Stores have URLs and are shared; the directories of other brokers are their own, though they may be called alike.
      const key = isUrl(url) ? url : `${brokerId}:${url}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, describeStore(logDir, ids.get(url) ?? null, [brokerId]));
      else found.set(key, { ...known, brokers: [...known.brokers, brokerId] });
    }
  }
  const stores = [...found.values()].sort((a, b) => (a.id ?? 0) - (b.id ?? 0));
  return { stores, problems };
}

function describeStore(logDir: LogDir, id: StoreId | null, brokers: readonly BrokerId[]): StoreDescription {
  const partitions = logDir.topics.flatMap((topic) => topic.partitions).filter(({ isFutureKey }) => !isFutureKey);
  // A replica here is in sync or it is not: how far behind it is nobody counts.
  const behind = partitions.filter(({ offsetLag }) => offsetLag !== 0).length;
  const hasFailed = logDir.errorCode !== ErrorCode.NONE;
  return {
    id,
    url: logDir.logDir,
    brokers,
    state: hasFailed ? "failing" : behind > 0 ? "behind" : "whole",
    partitions: partitions.length,
    underReplicatedPartitions: behind,
    bytes: partitions.reduce((sum, { partitionSize }) => sum + partitionSize, 0),
  };
}

/**
 * Ids of the stores by their URLs; empty where brokers keep their logs themselves, or where not all brokers were asked.
 * Broker k is at home at store k mod n; the first that runs also looks after the stores where none does. Each tells of its
 * stores in the order of their ids.
 */
function storesOf(asked: readonly Asked[], brokers: readonly Broker[]): ReadonlyMap<string, StoreId> {
  const urls = new Set(asked.flatMap(({ logDirs }) => logDirs.map(({ logDir }) => logDir)).filter(isUrl));
  const count = urls.size;
  const running = brokers.filter(({ isFenced }) => !isFenced).map(({ brokerId }) => brokerId);
  const ids = new Map<string, StoreId>();
  if (running.some((brokerId) => asked.every((each) => each.brokerId !== brokerId))) return ids;
  for (const { brokerId, logDirs } of asked) {
    const isFirst = running.every((other) => other >= brokerId);
    const own = Array.from({ length: count }, (_, id) => id).filter(
      (id) => id === brokerId % count || (isFirst && running.every((other) => other % count !== id)),
    );
    if (own.length !== logDirs.length) return new Map();
    for (const [at, { logDir }] of logDirs.entries()) ids.set(logDir, own[at] ?? 0);
  }
  return ids.size === count ? ids : new Map();
}

function isUrl(logDir: string): boolean {
  return /^[a-z0-9]+:\/\//.test(logDir);
}

async function describeCluster(client: KafkaClient, signal: AbortSignal): Promise<DescribeClusterResponse> {
  const request = (version: number) => ({
    includeClusterAuthorizedOperations: false,
    ...(version >= 2 ? { includeFencedBrokers: true } : {}),
  });
  const answer = await client.sendAs(Apis.DESCRIBE_CLUSTER, request, { signal });
  assertNoError(answer.errorCode, "cluster", answer.errorMessage);
  return answer;
}

/** Asks each running broker for its log directories. */
async function askAll(
  client: KafkaClient,
  query: ClusterQuery & Pick<DescribeClusterResponse, "brokers" | "controllerId"> & { readonly topics: null | [] },
): Promise<{ readonly asked: readonly Asked[]; readonly problems: readonly string[] }> {
  const { topics, signal, isOneDoor, controllerId, brokers } = query;
  // Who answers stands for the controller.
  const ids = isOneDoor ? [controllerId] : brokers.filter((each) => !each.isFenced).map((each) => each.brokerId);
  const asked: Asked[] = [];
  const problems: string[] = [];
  await Promise.all(
    ids.map(async (brokerId) => {
      try {
        const to = isOneDoor ? { signal } : { signal, nodeId: brokerId };
        const { errorCode = ErrorCode.NONE, results } = await client.send(Apis.DESCRIBE_LOG_DIRS, { topics }, to);
        assertNoError(errorCode, `log directories of broker ${brokerId}`);
        asked.push({ brokerId, logDirs: results });
      } catch (error) {
        problems.push(`broker ${brokerId} does not tell of its stores: ${describeError(error)}`);
      }
    }),
  );
  return { asked: asked.sort((a, b) => a.brokerId - b.brokerId), problems };
}
