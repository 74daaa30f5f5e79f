import type { ErrorCode } from "#lib/protocol/error-code.ts";
import type { JournalSeq, StoreId, TimestampMs, TopicId, Uuid } from "#lib/util/branded.ts";
import type { KeyRight } from "./api-key-state.ts";
import type { BrokerCommand } from "./broker-command.ts";

export type ClusterCommand =
  | NameClusterCommand
  | CreateTopicCommand
  | CreatePartitionsCommand
  | AlterTopicConfigsCommand
  | AlterBrokerConfigsCommand
  | AlterGroupConfigsCommand
  | DeleteTopicCommand
  | ForgetTopicCommand
  | AllocateProducerIdsCommand
  | RegisterStoreCommand
  | CreateKeyCommand
  | DeleteKeyCommand
  | BrokerCommand;

/** Gives the cluster its id. Accepted once; later ones are told the id that stands. */
export interface NameClusterCommand {
  readonly kind: "name-cluster";
  readonly clusterId: string;
}

/** Its name and configs have been validated by the proposer; what others may have changed meanwhile is the fold's. */
export interface CreateTopicCommand {
  readonly kind: "create-topic";
  readonly topicId: TopicId;
  readonly name: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** The number of log journals that its partitions spread over. */
  readonly journalCount: number;
  readonly configs: readonly ConfigEntry[];
}

/** Grows a topic to `partitionCount` partitions. */
export interface CreatePartitionsCommand {
  readonly kind: "create-partitions";
  readonly topicId: TopicId;
  readonly partitionCount: number;
}

export interface AlterTopicConfigsCommand {
  readonly kind: "alter-topic-configs";
  readonly topicId: TopicId;
  readonly alteration: ConfigAlteration;
}

export interface AlterBrokerConfigsCommand {
  readonly kind: "alter-broker-configs";
  /** A broker id in decimal, or the empty text for all brokers. */
  readonly brokerName: string;
  readonly alteration: ConfigAlteration;
}

/** From feature level 3 on. There need not be a group of that id. */
export interface AlterGroupConfigsCommand {
  readonly kind: "alter-group-configs";
  readonly groupId: string;
  readonly alteration: ConfigAlteration;
}

/** Marks a topic for deletion: nobody finds it any more, but it keeps its name until it is forgotten. */
export interface DeleteTopicCommand {
  readonly kind: "delete-topic";
  readonly topicId: TopicId;
}

/** Frees the name of a topic that all log journals have dropped. */
export interface ForgetTopicCommand {
  readonly kind: "forget-topic";
  readonly topicId: TopicId;
}

export interface AllocateProducerIdsCommand {
  readonly kind: "allocate-producer-ids";
  readonly count: number;
}

export interface RegisterStoreCommand {
  readonly kind: "register-store";
  readonly storeId: StoreId;
  readonly identity: Uuid;
  readonly url: string;
}

/** Makes a key of the HTTPS door known. From feature level 2 on. */
export interface CreateKeyCommand {
  readonly kind: "create-key";
  readonly keyId: string;
  /** SHA-256 of the secret, 32 bytes. */
  readonly secretHash: Uint8Array;
  readonly name: string;
  readonly rights: readonly KeyRight[];
  /** 0: without a limit. */
  readonly requestsPerSecond: number;
  readonly expiresAtMs: TimestampMs | undefined;
}

/** From feature level 2 on. */
export interface DeleteKeyCommand {
  readonly kind: "delete-key";
  readonly keyId: string;
}

export interface ConfigEntry {
  readonly key: string;
  readonly value: string;
}

export interface ConfigAlteration {
  /** Removes what stands there first (AlterConfigs); otherwise the rest stays (IncrementalAlterConfigs). */
  readonly replacesAll: boolean;
  readonly operations: readonly ConfigOperation[];
}

export type ConfigOperation =
  | { readonly kind: "set"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string }
  /** Adds to, or takes from, the comma-separated list that stands there, or else `inherited`. */
  | {
      readonly kind: "append" | "subtract";
      readonly key: string;
      readonly value: string;
      readonly inherited: string;
    };

export type ClusterOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "named"; readonly clusterId: string }
  | { readonly kind: "created"; readonly baseJournal: number }
  /** The topic is marked since `deletingSince`. */
  | { readonly kind: "deleting"; readonly deletingSince: JournalSeq }
  | { readonly kind: "producer-ids"; readonly first: number }
  | { readonly kind: "registered"; readonly brokerEpoch: JournalSeq }
  /** `detail` is a fact that an error's text needs, such as the name of the topic in the way. Texts are the doors'. */
  | { readonly kind: "refused"; readonly error: ErrorCode; readonly detail: string };
