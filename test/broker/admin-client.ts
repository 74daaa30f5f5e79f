import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import type { InferInput } from "#lib/protocol/schema.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";

type CreateTopicsFields = (typeof Apis.CREATE_TOPICS)["request"]["fields"];
type NewTopic = InferInput<CreateTopicsFields>["topics"][number];

/** A broker in memory and a connection to it. */
export class AdminClient implements AsyncDisposable {
  readonly memory: MemoryBroker;
  readonly connection: KafkaConnection;

  static async start(brokerConfigs: Readonly<Record<string, string>> = {}): Promise<AdminClient> {
    const memory = await startMemoryBroker({ brokerConfigs });
    return new AdminClient(memory, await memory.connect());
  }

  private constructor(memory: MemoryBroker, connection: KafkaConnection) {
    this.memory = memory;
    this.connection = connection;
  }

  async createTopics(
    topics: readonly (Partial<NewTopic> & { readonly name: string })[],
    options: { readonly version?: number; readonly validateOnly?: boolean } = {},
  ) {
    const answer = await this.connection.send(Apis.CREATE_TOPICS, options.version ?? 7, {
      topics: topics.map((topic) => ({ numPartitions: -1, replicationFactor: -1, ...topic })),
      timeoutMs: 10_000,
      validateOnly: options.validateOnly ?? false,
    });
    return answer.topics;
  }

  async metadata(
    names: readonly string[] | null,
    options: { readonly version?: number; readonly mayCreate?: boolean } = {},
  ) {
    const version = options.version ?? 13;
    return this.connection.send(Apis.METADATA, version, {
      topics: names?.map((name) => ({ name })) ?? null,
      ...(version >= 4 ? { allowAutoTopicCreation: options.mayCreate ?? false } : {}),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
    await this.memory[Symbol.asyncDispose]();
  }
}
