import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Offset } from "#lib/util/branded.ts";
import { assertGroup, withCoordinator } from "./group-coordinator.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { KafkaError } from "./kafka-error.ts";

/** From version 10 on topics go by their ids; names say as much to people, and older brokers know nothing else. */
const LAST_VERSION_WITH_NAMES = 9;
const FIRST_VERSION_WITH_GROUPS = 8;

/** Offsets by topic and partition. */
export type TopicOffsets = ReadonlyMap<string, ReadonlyMap<number, Offset>>;

/** All that a group has committed; nothing for a group that does not exist. Fails with `KafkaError`. */
export async function committedOffsets(
  client: KafkaClient,
  groupId: string,
  signal: AbortSignal,
): Promise<TopicOffsets> {
  return withCoordinator(
    client,
    groupId,
    async (nodeId) => {
      const answer = await client.sendAs(
        Apis.OFFSET_FETCH,
        (version) =>
          version < FIRST_VERSION_WITH_GROUPS ? { groupId, topics: null } : { groups: [{ groupId, topics: null }] },
        { nodeId, signal, versionMax: LAST_VERSION_WITH_NAMES },
      );
      const { errorCode, topics } = answer.groups[0] ?? answer;
      assertGroup(errorCode, groupId);
      const named = topics.map(({ name, partitions }) => {
        // A partition with an error has no offset to tell: an open transaction is about to change it.
        const known = partitions.filter((each) => each.errorCode === ErrorCode.NONE && each.committedOffset >= 0);
        return [name, new Map(known.map((each) => [each.partitionIndex, each.committedOffset]))] as const;
      });
      return new Map(named);
    },
    signal,
  );
}

/**
 * Commits offsets from outside of a group, which brokers take while it has no members. Fails with `KafkaError` for the
 * first partition that is refused; others may have been committed then.
 */
export async function commitOffsets(
  client: KafkaClient,
  group: { readonly groupId: string; readonly offsets: TopicOffsets },
  signal: AbortSignal,
): Promise<void> {
  const { groupId, offsets } = group;
  const topics = [...offsets].map(([name, partitions]) => ({
    name,
    partitions: [...partitions].map(([partitionIndex, committedOffset]) => ({
      partitionIndex,
      committedOffset,
      committedMetadata: "",
    })),
  }));
  await withCoordinator(
    client,
    groupId,
    async (nodeId) => {
      const to = { nodeId, signal, versionMax: LAST_VERSION_WITH_NAMES };
      const answer = await client.send(Apis.OFFSET_COMMIT, { groupId, topics }, to);
      for (const { name, partitions } of answer.topics) {
        const refused = partitions.find(({ errorCode }) => errorCode !== ErrorCode.NONE);
        if (refused === undefined) continue;
        throw new KafkaError(refused.errorCode, `group ${groupId}, ${name}-${refused.partitionIndex}`);
      }
    },
    signal,
  );
}
