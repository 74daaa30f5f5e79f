import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import type { GroupState } from "../group-state.ts";
import { type ConsumerGroupDescription, describeConsumerGroup } from "./consumer-descriptions.ts";
import type { GroupAccess } from "./group-access.ts";
import { describeGroup, type GroupDescription, type GroupListing, listingOf } from "./group-descriptions.ts";
import { subscribedTopics } from "./subscribed-topics.ts";

export interface NamedPartition {
  readonly topicId: TopicId;
  readonly topicName: string;
  readonly partitionIndex: number;
}

/** What administrators ask of groups: lists, descriptions, deletions. All from strong reads. */
export class GroupCalls {
  readonly #access: GroupAccess;

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  list(signal: AbortSignal): Promise<readonly GroupListing[] | ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const journals = await this.#access.allJournals(limited);
      return journals.flatMap(({ state }) => [...state.groups.values()].map(listingOf));
    });
  }

  /** GROUP_ID_NOT_FOUND if there is no such group. */
  describe(groupId: string, signal: AbortSignal): Promise<GroupDescription | ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const group = await this.#read(groupId, limited);
      return group === undefined ? ErrorCode.GROUP_ID_NOT_FOUND : describeGroup(group);
    });
  }

  /** The same of a consumer group (KIP-848). */
  describeConsumers(groupId: string, signal: AbortSignal): Promise<ConsumerGroupDescription | "classic" | ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const group = await this.#read(groupId, limited);
      if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
      const assignors = this.#access.topics.brokerList("group.consumer.assignors");
      return describeConsumerGroup(group, assignors) ?? "classic";
    });
  }

  delete(groupId: string, signal: AbortSignal): Promise<ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const outcome = await this.#access.propose({ kind: "delete-group", groupId }, limited);
      return outcome.kind === "refused" ? outcome.error : ErrorCode.NONE;
    });
  }

  /** Forgets committed offsets: one error a partition, or one for all. What is not committed is passed over. */
  deleteOffsets(
    groupId: string,
    partitions: readonly NamedPartition[],
    signal: AbortSignal,
  ): Promise<readonly ErrorCode[] | ErrorCode> {
    if (groupId === "") return Promise.resolve(ErrorCode.INVALID_GROUP_ID);
    return this.#access.limited(signal, async (limited) => {
      for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
        const group = await this.#read(groupId, limited);
        if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
        const { changedSeq } = group;
        const subscribed = subscribedTopics(group);
        const free = partitions.filter(({ topicName }) => !subscribed.has(topicName));
        const command = { kind: "delete-offsets", groupId, changedSeq, partitions: free } as const;
        const outcome = await this.#access.propose(command, limited);
        if (outcome.kind === "moved") continue;
        if (outcome.kind === "refused") return outcome.error;
        return partitions.map(({ topicName }) =>
          subscribed.has(topicName) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE,
        );
      }
      return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    });
  }

  async #read(groupId: string, signal: AbortSignal): Promise<GroupState | undefined> {
    const journal = await this.#access.journalOf(groupId, signal);
    await journal.readBarrier(signal);
    return journal.state.groups.get(groupId);
  }
}
