import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { CommitPartition } from "#lib/coordinator/group-command.ts";
import type { ResolvedCommit } from "#lib/coordinator/shell/offset-calls.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { OffsetCommitRequest } from "#lib/protocol/messages/offset-commit.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { GROUP_COMMIT_METADATA_BYTES_MAX } from "#lib/util/limits.ts";
import type { BrokerServices } from "../broker-services.ts";
import { orUndefined } from "../group-request.ts";
import { overlappingHandler } from "../handler.ts";
import type { RequestContext } from "../request-context.ts";
import { hasPartition, highest, type ResolveTopic, resolveTopics } from "../resolve-topics.ts";

// OffsetCommit v2-10.
// - Offsets belong to topic ids: those of a topic that was deleted and made again are not its own.
// - Unknown topics and oversized metadata are errors of their partitions; the others are committed all the same.
// - Metadata that is too large together is INVALID_COMMIT_OFFSET_SIZE, as on Kafka what fits in no batch.
// - Negative offsets are kept as they are, as on Kafka, and -1 reads as "nothing committed".
// v5 drops the retention time (KIP-211). v7 adds static members. v9 serves KIP-848's groups. v10 names topics by id.

const FIRST_VERSION_WITH_MEMBER_EPOCHS = 9;
const FIRST_VERSION_WITH_TOPIC_IDS = 10;

type CommitTopic = OffsetCommitRequest["topics"][number];
type AskedPartition = CommitTopic["partitions"][number];

interface CheckOptions {
  readonly resolve: ResolveTopic;
  readonly metadataLengthMax: number;
}

export const offsetCommit = overlappingHandler(Apis.OFFSET_COMMIT, async (request, context, services) => {
  if (metadataLength(request) > GROUP_COMMIT_METADATA_BYTES_MAX) {
    return { answer: Promise.resolve(answerOf(request, () => ErrorCode.INVALID_COMMIT_OFFSET_SIZE)) };
  }
  const metadataLengthMax = services.cluster.brokerInteger("offset.metadata.max.bytes");
  let options: CheckOptions = { resolve: () => ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, metadataLengthMax };
  const { answer } = await services.groups.offsets.admit(
    {
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: orUndefined(request.groupInstanceId),
      generationIdOrMemberEpoch: request.generationIdOrMemberEpoch,
      knowsMemberEpochs: context.apiVersion >= FIRST_VERSION_WITH_MEMBER_EPOCHS,
    },
    async (isStale, nowMs) => {
      if (isStale) await services.cluster.refresh(context.signal);
      options = { resolve: await resolverOf(request, context, services), metadataLengthMax };
      return resolvedCommit(request, options, nowMs);
    },
    context.signal,
  );
  return {
    answer: answer.then((error) =>
      answerOf(request, (topic, partition) => faultOf(topic, partition, options) ?? error),
    ),
  };
});

function answerOf(
  { topics }: OffsetCommitRequest,
  errorOf: (topic: CommitTopic, partition: AskedPartition) => ErrorCode,
) {
  return {
    throttleTimeMs: 0,
    topics: topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        errorCode: errorOf(topic, partition),
      })),
    })),
  };
}

function metadataLength({ topics }: OffsetCommitRequest): number {
  let length = 0;
  for (const { partitions } of topics) for (const each of partitions) length += each.committedMetadata?.length ?? 0;
  return length;
}

function resolverOf(
  { topics }: OffsetCommitRequest,
  { apiVersion, signal }: RequestContext,
  services: BrokerServices,
): Promise<ResolveTopic> {
  const references = topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    highestPartition: highest(partitions.map(({ partitionIndex }) => partitionIndex)),
  }));
  return resolveTopics(services.cluster, references, { byId: apiVersion >= FIRST_VERSION_WITH_TOPIC_IDS, signal });
}

/** What stands in the way of one partition; undefined if nothing does. */
function faultOf(topic: CommitTopic, partition: AskedPartition, options: CheckOptions): ErrorCode | undefined {
  const view = options.resolve(topic);
  if (typeof view === "number") return view;
  if (!hasPartition(view, partition.partitionIndex)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const { committedMetadata } = partition;
  const isTooLarge = committedMetadata !== null && committedMetadata.length > options.metadataLengthMax;
  return isTooLarge ? ErrorCode.OFFSET_METADATA_TOO_LARGE : undefined;
}

function resolvedCommit(request: OffsetCommitRequest, options: CheckOptions, nowMs: TimestampMs): ResolvedCommit {
  const { retentionTimeMs } = request;
  const expiresAtMs = retentionTimeMs === -1 ? -1 : nowMs + Math.max(0, retentionTimeMs);
  let clusterSeq = Number.MAX_SAFE_INTEGER;
  const topics = request.topics.flatMap((topic) => {
    const view = options.resolve(topic);
    if (typeof view === "number") return [];
    const sound = topic.partitions.filter((partition) => faultOf(topic, partition, options) === undefined);
    if (sound.length === 0) return [];
    clusterSeq = Math.min(clusterSeq, view.placement.clusterSeq);
    return [commitTopic(view, sound, expiresAtMs)];
  });
  return { clusterSeq, topics };
}

function commitTopic({ topicId }: TopicView, sound: readonly AskedPartition[], expiresAtMs: TimestampMs) {
  const partitions = sound.map(
    (partition): CommitPartition => ({
      partitionIndex: partition.partitionIndex,
      offset: partition.committedOffset,
      leaderEpoch: partition.committedLeaderEpoch,
      metadata: partition.committedMetadata ?? "",
      expiresAtMs,
    }),
  );
  return { topicId, partitions };
}
