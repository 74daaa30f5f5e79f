import type { PartitionOffsetQuery } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Offset } from "#lib/util/branded.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { handler } from "../handler.ts";
import {
  CURRENT_LEADER_EPOCH,
  checkLeaderEpoch,
  hasPartition,
  highest,
  type ResolveTopic,
  resolveTopics,
} from "../resolve-topics.ts";

// OffsetForLeaderEpoch v0-4 (KIP-101, KIP-320).
// - There is one history, nothing is ever truncated and batches carry leader epoch 0: that epoch ends at the log end, and
//   any later one has not begun (-1, -1).

const UNDEFINED_EPOCH = -1;
const UNDEFINED_OFFSET = -1;

interface EpochQuery {
  readonly topic: string;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly leaderEpoch: number;
}

type Checked = { readonly error: ErrorCode } | { readonly query: PartitionOffsetQuery };

export const offsetForLeaderEpoch = handler(Apis.OFFSET_FOR_LEADER_EPOCH, async (request, { signal }, services) => {
  const references = request.topics.map(({ topic, partitions }) => ({
    name: topic,
    topicId: ZERO_UUID,
    highestPartition: highest(partitions.map(({ partition }) => partition)),
  }));
  const resolve = await resolveTopics(services.cluster, references, { byId: false, signal });
  const checked = request.topics.map(({ topic, partitions }) =>
    partitions.map((each) => checkPartition({ topic, ...each }, resolve)),
  );
  const queries = checked.flat().flatMap((each) => ("query" in each ? [each.query] : []));
  const ends = await services.offsets.listOffsets(queries, signal);
  let next = 0;
  const topics = request.topics.map(({ topic, partitions }, at) => ({
    topic,
    partitions: partitions.map(({ partition, leaderEpoch }, i) => {
      const each = checked[at]?.[i] ?? { error: ErrorCode.UNKNOWN_SERVER_ERROR };
      if ("error" in each) return epochEnd(partition, { errorCode: each.error });
      const end = ends[next++];
      if (end === undefined || end.error !== ErrorCode.NONE) {
        return epochEnd(partition, { errorCode: end?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR });
      }
      const isCurrent = leaderEpoch === CURRENT_LEADER_EPOCH;
      return epochEnd(partition, isCurrent ? { leaderEpoch, endOffset: end.offset } : {});
    }),
  }));
  return { throttleTimeMs: 0, topics };
});

function checkPartition(asked: EpochQuery, resolve: ResolveTopic): Checked {
  const view = resolve({ name: asked.topic, topicId: ZERO_UUID });
  if (typeof view === "number") return { error: view };
  if (!hasPartition(view, asked.partition)) return { error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  const epochError = checkLeaderEpoch(asked.currentLeaderEpoch);
  if (epochError !== ErrorCode.NONE) return { error: epochError };
  return {
    query: { topic: view.placement, partitionIndex: asked.partition, spec: { kind: "latest", readCommitted: false } },
  };
}

function epochEnd(
  partition: number,
  end: { readonly errorCode?: ErrorCode; readonly leaderEpoch?: number; readonly endOffset?: Offset },
) {
  return {
    partition,
    errorCode: end.errorCode ?? ErrorCode.NONE,
    leaderEpoch: end.leaderEpoch ?? UNDEFINED_EPOCH,
    endOffset: end.endOffset ?? UNDEFINED_OFFSET,
  };
}
