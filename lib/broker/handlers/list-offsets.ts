import type { FoundOffset, OffsetSpec, PartitionOffsetQuery } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type ListOffsetsRequest, ListOffsetsTimestamp } from "#lib/protocol/messages/list-offsets.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import type { BrokerServices } from "../broker-services.ts";
import { handler } from "../handler.ts";
import { BATCH_LEADER_EPOCH, checkLeaderEpoch, confirmEpochs, type EpochClaim } from "../leader-epochs.ts";
import { hasPartition, highest, type ResolveTopic, resolveTopics } from "../resolve-topics.ts";

// ListOffsets v0-11.
// - -1 latest, -2 earliest, -3 the record with the greatest timestamp, -4 the local log (answers earliest); -5 and -6 ask
//   for tiered storage, which there is none of here: offset -1, as on Kafka without it.
// - read_committed bounds the answer by the last stable offset.
// - Any broker answers: what it says is as exact as the leader's.
// v4 adds leader epochs. v7 adds -3 (KIP-734), v8 -4 (KIP-405), v9 -5 (KIP-1005), v11 -6 (KIP-1023).

type RequestPartition = ListOffsetsRequest["topics"][number]["partitions"][number];
type Checked = PartitionOffsetQuery | FoundOffset;

/** The first version in which a special timestamp may be asked for. */
const FIRST_VERSIONS: ReadonlyMap<number, number> = new Map([
  [ListOffsetsTimestamp.LATEST, 0],
  [ListOffsetsTimestamp.EARLIEST, 0],
  [ListOffsetsTimestamp.MAX_TIMESTAMP, 7],
  [ListOffsetsTimestamp.EARLIEST_LOCAL, 8],
  [ListOffsetsTimestamp.LATEST_TIERED, 9],
  [ListOffsetsTimestamp.EARLIEST_PENDING_UPLOAD, 11],
]);

export const listOffsets = handler(Apis.LIST_OFFSETS, async (request, { apiVersion, signal }, services) => {
  const references = request.topics.map(({ name, partitions }) => ({
    name,
    topicId: ZERO_UUID,
    highestPartition: highest(partitions.map(({ partitionIndex }) => partitionIndex)),
  }));
  const resolve = await resolveTopics(services.cluster, references, { byId: false, signal });
  const readCommitted = request.isolationLevel === 1;
  const repeated = repeatedPartitions(request.topics);
  const options = { resolve, apiVersion, readCommitted, services };
  await confirmEpochs(claims(request, resolve), signal, services);
  const checked = request.topics.map(({ name, partitions }) =>
    partitions.map((partition) =>
      repeated.has(`${name}:${partition.partitionIndex}`)
        ? failed(ErrorCode.INVALID_REQUEST)
        : checkPartition(name, partition, options),
    ),
  );
  const queries = checked.flat().flatMap((each) => ("error" in each ? [] : [each]));
  const found = queries.length === 0 ? [] : await services.offsets.listOffsets(queries, signal);
  let next = 0;
  const topics = request.topics.map(({ name, partitions }, at) => ({
    name,
    partitions: partitions.map((asked, i) => {
      const each = checked[at]?.[i] ?? failed(ErrorCode.UNKNOWN_SERVER_ERROR);
      const answer = "error" in each ? each : (found[next++] ?? failed(ErrorCode.UNKNOWN_SERVER_ERROR));
      return partitionAnswer(asked, answer, apiVersion);
    }),
  }));
  return { throttleTimeMs: 0, topics };
});

function claims({ topics }: ListOffsetsRequest, resolve: ResolveTopic): readonly EpochClaim[] {
  return topics.flatMap(({ name, partitions }) => {
    const view = resolve({ name, topicId: ZERO_UUID });
    if (typeof view === "number") return [];
    const { placement: topic } = view;
    return partitions
      .filter(({ partitionIndex }) => hasPartition(view, partitionIndex))
      .map(({ partitionIndex, currentLeaderEpoch }) => ({ topic, partitionIndex, currentLeaderEpoch }));
  });
}

function checkPartition(
  name: string,
  partition: RequestPartition,
  options: {
    readonly resolve: ResolveTopic;
    readonly apiVersion: number;
    readonly readCommitted: boolean;
    readonly services: BrokerServices;
  },
): Checked {
  const { timestamp, partitionIndex } = partition;
  const view = options.resolve({ name, topicId: ZERO_UUID });
  if (typeof view === "number") return failed(view);
  if (!hasPartition(view, partitionIndex)) return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const { currentLeaderEpoch } = partition;
  const epochError = checkLeaderEpoch({ topic: view.placement, partitionIndex, currentLeaderEpoch }, options.services);
  if (epochError !== ErrorCode.NONE) return failed(epochError);
  if (timestamp < 0 && options.apiVersion < (FIRST_VERSIONS.get(timestamp) ?? Number.POSITIVE_INFINITY)) {
    return failed(ErrorCode.UNSUPPORTED_VERSION);
  }
  const spec = offsetSpec(timestamp, options.readCommitted);
  return spec === undefined ? failed(ErrorCode.NONE) : { topic: view.placement, partitionIndex, spec };
}

/** Undefined for what can only lie in tiered storage. */
function offsetSpec(timestamp: number, readCommitted: boolean): OffsetSpec | undefined {
  switch (timestamp) {
    case ListOffsetsTimestamp.LATEST:
      return { kind: "latest", readCommitted };
    case ListOffsetsTimestamp.EARLIEST:
    case ListOffsetsTimestamp.EARLIEST_LOCAL:
      return { kind: "earliest" };
    case ListOffsetsTimestamp.MAX_TIMESTAMP:
      return { kind: "max-timestamp" };
    default:
      return timestamp < 0 ? undefined : { kind: "at-time", timestampMs: timestamp };
  }
}

function failed(error: ErrorCode): FoundOffset {
  return { error, offset: -1, timestampMs: -1 };
}

/** `topic:partition` of every partition that the request asks for twice, also under one topic named twice. */
function repeatedPartitions(topics: ListOffsetsRequest["topics"]): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name, partitions } of topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}:${partitionIndex}`;
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
    }
  }
  return repeated;
}

function partitionAnswer({ partitionIndex }: RequestPartition, found: FoundOffset, apiVersion: number) {
  const { error: errorCode, offset, timestampMs } = found;
  if (apiVersion === 0) {
    return { partitionIndex, errorCode, oldStyleOffsets: offset === -1 ? [] : [offset] };
  }
  const answer = { partitionIndex, errorCode, timestamp: timestampMs, offset };
  if (apiVersion < 4) return answer;
  return { ...answer, leaderEpoch: offset === -1 ? -1 : BATCH_LEADER_EPOCH };
}
