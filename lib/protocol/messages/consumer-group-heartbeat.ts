import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string, struct, uuid } from "../schema.ts";

/** Member epochs that ask for something, in place of the epoch that a member has reached. */
export const MemberEpoch = {
  JOIN: 0,
  LEAVE: -1,
  /** A static member goes and means to come back; its partitions stay its own until its session ends. */
  LEAVE_STATIC: -2,
} as const;

const topicPartitions = { topicId: uuid(), partitions: array(int32()) };

// ConsumerGroupHeartbeat v0-1 (KIP-848).
// - null and, for rebalanceTimeoutMs, -1 mean "as in the last heartbeat"; a null assignment likewise.
// v1 adds the regular expression, and members choose their ids themselves (KIP-1082).
export const ConsumerGroupHeartbeatRequest = message({
  apiKey: ApiKey.CONSUMER_GROUP_HEARTBEAT,
  name: "ConsumerGroupHeartbeatRequest",
  validVersions: "0-1",
  flexibleVersions: "0+",
  fields: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: "0+", default: null }),
    rackId: string({ nullable: "0+", default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: "0+", default: null }),
    subscribedTopicRegex: string({ versions: "1+", nullable: "1+", default: null }),
    serverAssignor: string({ nullable: "0+", default: null }),
    topicPartitions: array(topicPartitions, { nullable: "0+", default: null }),
  },
});
export type ConsumerGroupHeartbeatRequest = Infer<(typeof ConsumerGroupHeartbeatRequest)["fields"]>;

export const ConsumerGroupHeartbeatResponse = message({
  apiKey: ApiKey.CONSUMER_GROUP_HEARTBEAT,
  name: "ConsumerGroupHeartbeatResponse",
  validVersions: "0-1",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: "0+", default: null }),
    memberId: string({ nullable: "0+", default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct({ topicPartitions: array(topicPartitions) }, { nullable: "0+", default: null }),
  },
});
export type ConsumerGroupHeartbeatResponse = Infer<(typeof ConsumerGroupHeartbeatResponse)["fields"]>;
