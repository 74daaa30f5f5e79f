import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import type { InferInput } from "#lib/protocol/schema.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";

type JoinFields = InferInput<(typeof Apis.JOIN_GROUP)["request"]["fields"]>;

/** Bytes of a consumer that subscribes to these topics. */
export function subscriptionOf(...topics: readonly string[]): Uint8Array {
  return encodeSubscription({ topics });
}

/** A broker in memory whose groups wait for nobody, and a connection to it. */
export class GroupClient implements AsyncDisposable {
  readonly memory: MemoryBroker;
  readonly connection: KafkaConnection;

  static async start(brokerConfigs: Readonly<Record<string, string>> = {}): Promise<GroupClient> {
    const memory = await startMemoryBroker({
      brokerConfigs: { "group.initial.rebalance.delay.ms": "0", ...brokerConfigs },
    });
    return GroupClient.to(memory);
  }

  static async to(memory: MemoryBroker): Promise<GroupClient> {
    return new GroupClient(memory, await memory.connect());
  }

  private constructor(memory: MemoryBroker, connection: KafkaConnection) {
    this.memory = memory;
    this.connection = connection;
  }

  async createTopic(name: string, numPartitions = 2): Promise<void> {
    const topics = [{ name, numPartitions, replicationFactor: 1 }];
    await this.connection.send(Apis.CREATE_TOPICS, 7, { topics, timeoutMs: 10_000, validateOnly: false });
  }

  async deleteTopic(name: string): Promise<void> {
    await this.connection.send(Apis.DELETE_TOPICS, 6, { topics: [{ name, topicId: ZERO_UUID }], timeoutMs: 10_000 });
  }

  join(fields: Partial<JoinFields> & { readonly groupId: string }, version = 9) {
    return this.connection.send(Apis.JOIN_GROUP, version, {
      sessionTimeoutMs: 30_000,
      ...(version >= 1 ? { rebalanceTimeoutMs: 60_000 } : {}),
      memberId: "",
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: subscriptionOf("orders") }],
      ...fields,
    });
  }

  /** A member that is alone in its group and has its assignment. */
  async onlyMember(groupId: string, fields: Partial<JoinFields> = {}) {
    const { memberId, generationId } = await this.join({ groupId, ...fields }, 3);
    await this.connection.send(Apis.SYNC_GROUP, 3, {
      groupId,
      generationId,
      memberId,
      assignments: [{ memberId, assignment: Uint8Array.of(1, 2, 3) }],
    });
    return { groupId, memberId, generationId };
  }

  /** Commits one offset of partition 0 and answers the partition's error. */
  async commit(
    groupId: string,
    offset: number,
    options: {
      readonly topic?: string;
      readonly partitionIndex?: number;
      readonly metadata?: string | null;
      readonly memberId?: string;
      readonly generationId?: number;
    } = {},
  ): Promise<number | undefined> {
    const answer = await this.connection.send(Apis.OFFSET_COMMIT, 8, {
      groupId,
      generationIdOrMemberEpoch: options.generationId ?? -1,
      memberId: options.memberId ?? "",
      topics: [
        {
          name: options.topic ?? "orders",
          partitions: [
            {
              partitionIndex: options.partitionIndex ?? 0,
              committedOffset: offset,
              committedMetadata: options.metadata ?? null,
            },
          ],
        },
      ],
    });
    return answer.topics[0]?.partitions[0]?.errorCode;
  }

  /** `[topic, partition, offset]` of all that the group has committed, or of what is asked for. */
  async offsets(groupId: string, topics: readonly { name: string; partitionIndexes: number[] }[] | null = null) {
    const answer = await this.connection.send(Apis.OFFSET_FETCH, 8, {
      groups: [{ groupId, topics }],
      requireStable: true,
    });
    return (answer.groups[0]?.topics ?? []).flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset }) => [name, partitionIndex, committedOffset]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
    await this.memory[Symbol.asyncDispose]();
  }
}
