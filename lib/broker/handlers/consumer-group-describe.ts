import type { Assignment } from "#lib/coordinator/member-types.ts";
import type {
  ConsumerGroupDescription,
  ConsumerMemberDescription,
} from "#lib/coordinator/shell/consumer-descriptions.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { MemberType } from "#lib/protocol/messages/consumer-group-describe.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { GROUP_OPERATIONS } from "../authorized-operations.ts";
import type { BrokerServices } from "../broker-services.ts";
import { servesConsumerProtocol } from "../group-request.ts";
import { handler } from "../handler.ts";

// ConsumerGroupDescribe v0-1 (KIP-848).
// - Classic groups are GROUP_ID_NOT_FOUND here; clients ask DescribeGroups then.
// v1 adds the type of member (KIP-1099).

const OPERATIONS_NOT_ASKED = -(2 ** 31);
const NOTHING = { groupState: "", groupEpoch: 0, assignmentEpoch: 0, assignorName: "", members: [] };

export const consumerGroupDescribe = handler(Apis.CONSUMER_GROUP_DESCRIBE, async (request, { signal }, services) => {
  const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : OPERATIONS_NOT_ASKED;
  const isServed = servesConsumerProtocol(services);
  const groups = await mapInChunks(request.groupIds, ADMIN_ITEMS_AT_ONCE_MAX, async (groupId) => {
    if (!isServed) return { ...NOTHING, groupId, errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage: null };
    if (groupId === "") return { ...NOTHING, groupId, errorCode: ErrorCode.INVALID_GROUP_ID, errorMessage: null };
    const found = await services.groups.admin.describeConsumers(groupId, signal);
    if (found === "classic") return missing(groupId, `Group ${groupId} is not a consumer group.`);
    if (found === ErrorCode.GROUP_ID_NOT_FOUND) return missing(groupId, `Group ${groupId} not found.`);
    if (typeof found === "number") {
      return { ...NOTHING, groupId, errorCode: found, errorMessage: errorMessage(found) };
    }
    return { ...described(found, services), authorizedOperations };
  });
  return { throttleTimeMs: 0, groups };
});

function missing(groupId: string, text: string) {
  return { ...NOTHING, groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage: text };
}

function described(group: ConsumerGroupDescription, services: BrokerServices) {
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.groupId,
    groupState: group.state,
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: group.assignor,
    members: group.members.map((each) => describedMember(each, services)),
  };
}

function describedMember({ member, assigned, target }: ConsumerMemberDescription, services: BrokerServices) {
  return {
    memberId: member.memberId,
    instanceId: member.instanceId ?? null,
    rackId: member.rackId ?? null,
    memberEpoch: member.memberEpoch,
    clientId: member.clientId,
    clientHost: member.clientHost,
    subscribedTopicNames: [...member.subscribedTopicNames],
    subscribedTopicRegex: member.subscribedTopicRegex ?? null,
    assignment: { topicPartitions: named(assigned, services) },
    targetAssignment: { topicPartitions: named(target, services) },
    memberType: member.classic === undefined ? MemberType.CONSUMER : MemberType.CLASSIC,
  };
}

/** Topics that are gone by now are left out. */
function named(assignment: Assignment, { cluster }: BrokerServices) {
  return [...assignment].flatMap(([topicId, partitions]) => {
    const topicName = cluster.topic(topicId)?.name;
    return topicName === undefined ? [] : [{ topicId, topicName, partitions: [...partitions] }];
  });
}
