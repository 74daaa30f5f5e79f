import { lastStableOffset } from "#lib/log/fetch-partitions.ts";
import type { FetchedPartition, PartitionFetch } from "#lib/log/log-api.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { journalOfPartition } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { BrokerId, Offset } from "#lib/util/branded.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { SessionPartition } from "./fetch-sessions.ts";
import { checkLeaderEpoch, confirmEpochs, type EpochClaim } from "./leader-epochs.ts";
import { freshenRefusals } from "./leader-looks.ts";
import type { Leadership } from "./replica-nodes.ts";
import type { RequestContext } from "./request-context.ts";
import { hasPartition, type ResolveTopic } from "./resolve-topics.ts";

// Where the partitions of a fetch are to be read: here, at the leader, or at a replica that is nearer to the client.

/** One partition of a fetch before anything is read. */
export type PlannedFetch =
  | { readonly kind: "fetch"; readonly fetch: PartitionFetch }
  | {
      readonly kind: "refused";
      readonly error: ErrorCode;
      /** Left out where the partition is not known. */
      readonly claim?: EpochClaim;
      /** Where the client should have asked. */
      readonly leader?: Leadership | undefined;
    }
  | ({ readonly kind: "redirect"; readonly preferredReadReplica: BrokerId } & Bounds);

export interface FetchedAnswer extends FetchedPartition {
  readonly leader?: Leadership | undefined;
  readonly preferredReadReplica?: BrokerId;
}

interface Bounds {
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  readonly logStartOffset: Offset;
}

interface Planning {
  readonly resolve: ResolveTopic;
  /** Of the client; empty if it does not say. */
  readonly rack: string;
  readonly context: RequestContext;
  readonly services: BrokerServices;
}

/** Earlier ones are served by the leader alone. */
const FIRST_VERSION_WITH_RACKS = 11;

/** By what this process knows. Epochs are looked at before leaders, as on Kafka. */
export function planFetch(partition: SessionPartition, { resolve, rack, context, services }: Planning): PlannedFetch {
  const { topicName, topicId, partitionIndex, fetchOffset, currentLeaderEpoch } = partition;
  const view = resolve({ name: topicName, topicId });
  if (typeof view === "number") return { kind: "refused", error: view };
  if (!hasPartition(view, partitionIndex)) return { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  const { nodes } = services;
  const topic = view.placement;
  const claim = { topic, partitionIndex, currentLeaderEpoch };
  const leader = nodes.leaderOf(topic, partitionIndex);
  const error = checkLeaderEpoch(claim, services);
  if (error === ErrorCode.FENCED_LEADER_EPOCH) return { kind: "refused", error, claim, leader };
  if (error !== ErrorCode.NONE) return { kind: "refused", error, claim };
  const fetch = { topic, partitionIndex, fetchOffset, bytesMax: Math.max(partition.bytesMax, 0) };
  if (context.listener.isOnlyDoor === true) return { kind: "fetch", fetch };
  if (leader.leaderId === services.identity.brokerId) {
    return (rack === "" ? undefined : redirect(fetch, rack, services)) ?? { kind: "fetch", fetch };
  }
  const mayFollow = context.apiVersion >= FIRST_VERSION_WITH_RACKS;
  if (mayFollow && nodes.follows(topic, partitionIndex)) return { kind: "fetch", fetch };
  return { kind: "refused", error: ErrorCode.NOT_LEADER_OR_FOLLOWER, claim, leader };
}

/** Offsets that are not there are the leader's to answer. */
function redirect(
  { topic, partitionIndex, fetchOffset }: PartitionFetch,
  rack: string,
  { nodes, journals }: BrokerServices,
): PlannedFetch | undefined {
  const preferredReadReplica = nodes.nearerReplica(topic, partitionIndex, rack);
  if (preferredReadReplica === undefined) return undefined;
  const journal = journals.opened(journalOfPartition(topic, partitionIndex));
  const partition = journal?.state.partitions.get(partitionKey(topic.topicId, partitionIndex));
  if (partition === undefined) return undefined;
  const { logStartOffset, logEndOffset: highWatermark } = partition;
  if (fetchOffset < logStartOffset || fetchOffset > highWatermark) return undefined;
  const bounds = { logStartOffset, highWatermark, lastStableOffset: lastStableOffset(partition) };
  return { kind: "redirect", preferredReadReplica, ...bounds };
}

/**
 * Looks again before a client is sent elsewhere, or told of an epoch that there is not. True if it has looked, and
 * everything is to be planned anew. Rejects only if aborted.
 */
export async function settlePlaces(
  planned: readonly PlannedFetch[],
  signal: AbortSignal,
  services: BrokerServices,
): Promise<boolean> {
  const ahead: EpochClaim[] = [];
  const elsewhere: EpochClaim[] = [];
  for (const each of planned) {
    if (each.kind !== "refused" || each.claim === undefined) continue;
    if (each.error === ErrorCode.UNKNOWN_LEADER_EPOCH) ahead.push(each.claim);
    if (each.error === ErrorCode.NOT_LEADER_OR_FOLLOWER) elsewhere.push(each.claim);
  }
  if (ahead.length === 0 && elsewhere.length === 0) return false;
  await Promise.all([confirmEpochs(ahead, signal, services), freshenRefusals(elsewhere, signal, services)]);
  return true;
}
