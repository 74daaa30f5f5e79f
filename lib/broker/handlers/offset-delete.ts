import type { NamedPartition } from "#lib/coordinator/shell/group-calls.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { handler } from "../handler.ts";
import { hasPartition, highest, resolveTopics } from "../resolve-topics.ts";

// OffsetDelete v0 (KIP-496).
// - Topics that the group's members read are GROUP_SUBSCRIBED_TO_TOPIC; the others' offsets are forgotten all the same.
// - A group with members of another kind than consumers is NON_EMPTY_GROUP: nobody knows what they need.

export const offsetDelete = handler(Apis.OFFSET_DELETE, async (request, { signal }, services) => {
  const references = request.topics.map(({ name, partitions }) => ({
    name,
    topicId: ZERO_UUID,
    highestPartition: highest(partitions.map(({ partitionIndex }) => partitionIndex)),
  }));
  const resolve = await resolveTopics(services.cluster, references, { byId: false, signal });
  const wanted: NamedPartition[] = [];
  const asked = request.topics.map(({ name, partitions }) => {
    const view = resolve({ name, topicId: ZERO_UUID });
    const checked = partitions.map(({ partitionIndex }) => {
      if (typeof view === "number") return { partitionIndex, error: view };
      if (!hasPartition(view, partitionIndex)) {
        return { partitionIndex, error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
      }
      const place = wanted.push({ topicId: view.topicId, topicName: name, partitionIndex }) - 1;
      return { partitionIndex, place };
    });
    return { name, checked };
  });
  const deleted = await services.groups.admin.deleteOffsets(request.groupId, wanted, signal);
  if (typeof deleted === "number") return { errorCode: deleted, throttleTimeMs: 0, topics: [] };
  const topics = asked.map(({ name, checked }) => ({
    name,
    partitions: checked.map((each) => ({
      partitionIndex: each.partitionIndex,
      errorCode: "error" in each ? each.error : (deleted[each.place] ?? ErrorCode.UNKNOWN_SERVER_ERROR),
    })),
  }));
  return { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics };
});
