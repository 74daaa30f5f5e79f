import type { CommittedOffset } from "#lib/coordinator/group-state.ts";
import { type CommittedOffsets, NOT_A_MEMBER, type OffsetAsker } from "#lib/coordinator/shell/offset-calls.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type TopicId, ZERO_UUID } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import type { BrokerServices } from "../broker-services.ts";
import { orUndefined, refreshCluster } from "../group-request.ts";
import { handler } from "../handler.ts";
import type { RequestContext } from "../request-context.ts";
import { highest, type ResolveTopic, resolveTopics } from "../resolve-topics.ts";

// OffsetFetch v1-10.
// - Answered from a strong read of the group's journal that began after the request came.
// - Nothing committed, no such group and (by name) no such topic are all the same: offset -1, no error.
// - No transactions yet, so every offset is stable.
// v2 may ask for all offsets (topics null). v5 answers leader epochs. v8 asks for several groups (KIP-709). v10 names
// topics by id.

const FIRST_VERSION_WITH_GROUPS = 8;
const FIRST_VERSION_WITH_TOPIC_IDS = 10;

interface AskedTopic {
  readonly name: string;
  readonly topicId: TopicId;
  readonly partitionIndexes: readonly number[];
}

interface AskedGroup extends OffsetAsker {
  readonly groupId: string;
  /** Null: all. */
  readonly topics: readonly AskedTopic[] | null;
}

export const offsetFetch = handler(Apis.OFFSET_FETCH, async (request, context, services) => {
  if (context.apiVersion < FIRST_VERSION_WITH_GROUPS) {
    const { groupId } = request;
    const topics = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
    const { errorCode, topics: found } = await fetchGroup({ groupId, topics, ...NOT_A_MEMBER }, context, services);
    return { throttleTimeMs: 0, errorCode, topics: found };
  }
  const groups = await mapInChunks(request.groups, ADMIN_ITEMS_AT_ONCE_MAX, (group) =>
    fetchGroup({ ...group, memberId: orUndefined(group.memberId) }, context, services),
  );
  return { throttleTimeMs: 0, groups };
});

async function fetchGroup(asked: AskedGroup, context: RequestContext, services: BrokerServices) {
  const { groupId, topics } = asked;
  const { signal, apiVersion } = context;
  const byId = apiVersion >= FIRST_VERSION_WITH_TOPIC_IDS;
  const resolve =
    topics === null ? undefined : await resolveTopics(services.cluster, references(topics), { byId, signal });
  const committed = await services.groups.offsets.fetch(groupId, asked, signal);
  if (typeof committed === "number") return failed({ groupId, topics }, committed, apiVersion);
  if (topics !== null && resolve !== undefined) {
    return { groupId, errorCode: ErrorCode.NONE, topics: askedOffsets(topics, { resolve, committed, byId }) };
  }
  return allOffsets(groupId, committed, context, services);
}

function references(topics: readonly AskedTopic[]) {
  return topics.map(({ name, topicId, partitionIndexes }) => ({
    name,
    topicId,
    highestPartition: highest(partitionIndexes),
  }));
}

function askedOffsets(
  topics: readonly AskedTopic[],
  found: { readonly resolve: ResolveTopic; readonly committed: CommittedOffsets; readonly byId: boolean },
) {
  return topics.map(({ name, topicId, partitionIndexes }) => {
    const view = found.resolve({ name, topicId });
    const errorCode = typeof view === "number" && found.byId ? view : ErrorCode.NONE;
    const offsets = typeof view === "number" ? undefined : found.committed.get(view.topicId);
    const partitions = partitionIndexes.map((index) => ({ ...partitionOffset(index, offsets?.get(index)), errorCode }));
    return { name, topicId, partitions };
  });
}

async function allOffsets(
  groupId: string,
  committed: CommittedOffsets,
  { signal, apiVersion }: RequestContext,
  services: BrokerServices,
) {
  // Copied in the turn of the read: the folded state goes on.
  const topics = [...committed].map(([topicId, offsets]) => ({
    topicId,
    partitions: [...offsets].map(([index, offset]) => ({
      ...partitionOffset(index, offset),
      errorCode: ErrorCode.NONE,
    })),
  }));
  const isKnown = topics.every(({ topicId }) => services.cluster.topic(topicId) !== undefined);
  const error = isKnown ? ErrorCode.NONE : await refreshCluster(services, signal);
  if (error !== ErrorCode.NONE) return failed({ groupId, topics: null }, error, apiVersion);
  const named = topics.flatMap((topic) => {
    const name = services.cluster.topic(topic.topicId)?.name;
    return name === undefined ? [] : [{ name, ...topic }];
  });
  return { groupId, errorCode: ErrorCode.NONE, topics: named };
}

function partitionOffset(partitionIndex: number, committed: CommittedOffset | undefined) {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? -1,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? "",
  };
}

/** v0 and v1 have no place for an error of the group: each of its partitions has it. */
function failed({ groupId, topics }: Pick<AskedGroup, "groupId" | "topics">, errorCode: ErrorCode, apiVersion: number) {
  if (apiVersion >= 2) return { groupId, errorCode, topics: [] };
  const everywhere = (topics ?? []).map(({ name, topicId, partitionIndexes }) => ({
    name,
    topicId,
    partitions: partitionIndexes.map((index) => ({ ...partitionOffset(index, undefined), errorCode })),
  }));
  return { groupId, errorCode, topics: everywhere };
}
