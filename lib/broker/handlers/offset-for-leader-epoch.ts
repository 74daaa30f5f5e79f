import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Offset } from "#lib/util/branded.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { handler } from "../handler.ts";
import { BATCH_LEADER_EPOCH, checkLeaderEpoch, confirmEpochs, type EpochClaim } from "../leader-epochs.ts";
import { hasPartition, highest, type ResolveTopic, resolveTopics } from "../resolve-topics.ts";

// OffsetForLeaderEpoch v0-4 (KIP-101, KIP-320).
// - There is one history, nothing is ever truncated and batches carry leader epoch 0: that epoch ends at the log end, and
//   so do the later ones that there were, in which nothing else was written; one that has not begun is (-1, -1).

const UNDEFINED_EPOCH = -1;
const UNDEFINED_OFFSET = -1;

interface EpochQuery extends EpochClaim {
  readonly leaderEpoch: number;
}

type Checked = { readonly error: ErrorCode } | { readonly query: EpochQuery };

export const offsetForLeaderEpoch = handler(Apis.OFFSET_FOR_LEADER_EPOCH, async (request, { signal }, services) => {
  const references = request.topics.map(({ topic, partitions }) => ({
    name: topic,
    topicId: ZERO_UUID,
    highestPartition: highest(partitions.map(({ partition }) => partition)),
  }));
  const resolve = await resolveTopics(services.cluster, references, { byId: false, signal });
  const checked = request.topics.map(({ topic, partitions }) =>
    partitions.map((each) => checkPartition(topic, each, resolve)),
  );
  const queries = checked.flat().flatMap((each) => ("query" in each ? [each.query] : []));
  await confirmEpochs(queries, signal, services);
  const spec = { kind: "latest", readCommitted: false } as const;
  const ends = await services.offsets.listOffsets(
    queries.map(({ topic, partitionIndex }) => ({ topic, partitionIndex, spec })),
    signal,
  );
  let next = 0;
  const topics = request.topics.map(({ topic, partitions }, at) => ({
    topic,
    partitions: partitions.map(({ partition, leaderEpoch }, i) => {
      const each = checked[at]?.[i] ?? { error: ErrorCode.UNKNOWN_SERVER_ERROR };
      if ("error" in each) return epochEnd(partition, { errorCode: each.error });
      const end = ends[next++];
      const epochError = checkLeaderEpoch(each.query, services);
      if (epochError !== ErrorCode.NONE) return epochEnd(partition, { errorCode: epochError });
      if (end === undefined || end.error !== ErrorCode.NONE) {
        return epochEnd(partition, { errorCode: end?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR });
      }
      const current = services.nodes.leaderOf(each.query.topic, partition).leaderEpoch;
      const hasBegun = leaderEpoch >= BATCH_LEADER_EPOCH && leaderEpoch <= current;
      return epochEnd(partition, hasBegun ? { leaderEpoch: BATCH_LEADER_EPOCH, endOffset: end.offset } : {});
    }),
  }));
  return { throttleTimeMs: 0, topics };
});

function checkPartition(
  name: string,
  asked: { readonly partition: number; readonly currentLeaderEpoch: number; readonly leaderEpoch: number },
  resolve: ResolveTopic,
): Checked {
  const view = resolve({ name, topicId: ZERO_UUID });
  if (typeof view === "number") return { error: view };
  const { partition: partitionIndex, currentLeaderEpoch, leaderEpoch } = asked;
  if (!hasPartition(view, partitionIndex)) return { error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  return { query: { topic: view.placement, partitionIndex, currentLeaderEpoch, leaderEpoch } };
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
