import type { Assignment } from "#lib/coordinator/member-types.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import type { ConsumerGroupHeartbeatRequest } from "#lib/protocol/messages/consumer-group-heartbeat.ts";
import { clientHostOf, orUndefined, servesConsumerProtocol } from "../group-request.ts";
import { handler } from "../handler.ts";

// ConsumerGroupHeartbeat v0-1 (KIP-848).
// - A heartbeat that calls for a new target computes it and is answered by it: a member need not come again for its part.
// - UNSUPPORTED_VERSION if `group.coordinator.rebalance.protocols` lacks the protocol.
// v1 adds regular expressions, in RE2's syntax, and members that make their ids themselves (KIP-1082).

const FIRST_VERSION_WITH_OWN_MEMBER_IDS = 1;

export const consumerGroupHeartbeat = handler(Apis.CONSUMER_GROUP_HEARTBEAT, async (request, context, services) => {
  if (!servesConsumerProtocol(services)) return refusal(ErrorCode.UNSUPPORTED_VERSION);
  const result = await services.groups.consumers.heartbeat(
    {
      groupId: request.groupId,
      memberId: request.memberId,
      memberEpoch: request.memberEpoch,
      instanceId: orUndefined(request.instanceId),
      rackId: orUndefined(request.rackId),
      clientId: context.clientId ?? "",
      clientHost: clientHostOf(context),
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      subscribedTopicNames: orUndefined(request.subscribedTopicNames),
      subscribedTopicRegex: orUndefined(request.subscribedTopicRegex),
      serverAssignor: orUndefined(request.serverAssignor),
      owned: ownedBy(request.topicPartitions),
      makesOwnMemberId: context.apiVersion >= FIRST_VERSION_WITH_OWN_MEMBER_IDS,
    },
    context.signal,
  );
  if (result.kind === "refused") return refusal(result.error, result.message);
  const { memberId, memberEpoch, heartbeatIntervalMs, assignment } = result;
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    memberId,
    memberEpoch,
    heartbeatIntervalMs,
    assignment: assignment === undefined ? null : { topicPartitions: topicPartitionsOf(assignment) },
  };
});

function refusal(errorCode: ErrorCode, message = errorMessage(errorCode)) {
  const nothing = { memberId: null, memberEpoch: 0, heartbeatIntervalMs: 0, assignment: null };
  return { throttleTimeMs: 0, errorCode, errorMessage: message, ...nothing };
}

function ownedBy(topicPartitions: ConsumerGroupHeartbeatRequest["topicPartitions"]): Assignment | undefined {
  if (topicPartitions === null) return undefined;
  return new Map(topicPartitions.map(({ topicId, partitions }) => [topicId, partitions.toSorted((a, b) => a - b)]));
}

function topicPartitionsOf(assignment: Assignment) {
  return [...assignment].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions] }));
}
