import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, message, string, struct, uuid } from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./metadata.ts";

// DescribeTopicPartitions v0 (KIP-966).
// - The cursor is the first partition to answer; nextCursor, if not null, the first one that had no room.
export const DescribeTopicPartitionsRequest = message({
  apiKey: ApiKey.DESCRIBE_TOPIC_PARTITIONS,
  name: "DescribeTopicPartitionsRequest",
  validVersions: "0",
  flexibleVersions: "0+",
  fields: {
    topics: array({ name: string() }),
    responsePartitionLimit: int32({ default: 2000 }),
    cursor: struct({ topicName: string(), partitionIndex: int32() }, { nullable: "0+", default: null }),
  },
});
export type DescribeTopicPartitionsRequest = Infer<(typeof DescribeTopicPartitionsRequest)["fields"]>;

export const DescribeTopicPartitionsResponse = message({
  apiKey: ApiKey.DESCRIBE_TOPIC_PARTITIONS,
  name: "DescribeTopicPartitionsResponse",
  validVersions: "0",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string({ nullable: "0+" }),
      topicId: uuid(),
      isInternal: bool({ default: false }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ default: -1 }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32(), { nullable: "0+", default: null }),
        lastKnownElr: array(int32(), { nullable: "0+", default: null }),
        offlineReplicas: array(int32(), { default: [] }),
      }),
      topicAuthorizedOperations: int32({ default: OPERATIONS_NOT_ASKED }),
    }),
    nextCursor: struct({ topicName: string(), partitionIndex: int32() }, { nullable: "0+", default: null }),
  },
});
export type DescribeTopicPartitionsResponse = Infer<(typeof DescribeTopicPartitionsResponse)["fields"]>;
