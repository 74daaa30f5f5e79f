import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int8, int16, int32, message, string, struct, uuid } from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./metadata.ts";

/** By which protocol a member takes part in its group. */
export const MemberType = { UNKNOWN: -1, CLASSIC: 0, CONSUMER: 1 } as const;

const assignment = struct({
  topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: array(int32()) }),
});

// ConsumerGroupDescribe v0-1 (KIP-848), of consumer groups; classic ones are GROUP_ID_NOT_FOUND here.
// - A member's assignment is what it owns, its target assignment what it is to own.
// v1 adds the type of member (KIP-1099).
export const ConsumerGroupDescribeRequest = message({
  apiKey: ApiKey.CONSUMER_GROUP_DESCRIBE,
  name: "ConsumerGroupDescribeRequest",
  validVersions: "0-1",
  flexibleVersions: "0+",
  fields: {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
});
export type ConsumerGroupDescribeRequest = Infer<(typeof ConsumerGroupDescribeRequest)["fields"]>;

export const ConsumerGroupDescribeResponse = message({
  apiKey: ApiKey.CONSUMER_GROUP_DESCRIBE,
  name: "ConsumerGroupDescribeResponse",
  validVersions: "0-1",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ nullable: "0+", default: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string({ nullable: "0+", default: null }),
        rackId: string({ nullable: "0+", default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullable: "0+", default: null }),
        assignment,
        targetAssignment: assignment,
        memberType: int8({ versions: "1+", default: MemberType.UNKNOWN, ignorable: true }),
      }),
      authorizedOperations: int32({ default: OPERATIONS_NOT_ASKED }),
    }),
  },
});
export type ConsumerGroupDescribeResponse = Infer<(typeof ConsumerGroupDescribeResponse)["fields"]>;
