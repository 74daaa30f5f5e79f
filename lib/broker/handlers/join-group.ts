import { Apis } from "#lib/protocol/apis.ts";
import { clientHostOf, orUndefined } from "../group-request.ts";
import { handler } from "../handler.ts";

// JoinGroup v0-9.
// - Waits until the round is over; what else the client asks on the same connection waits too, as on Kafka.
// - v0 has no rebalance time-out: the session time-out stands for it.
// - Errors carry no protocol name: null from v7 on, empty before.
// v4 joins in two steps (MEMBER_ID_REQUIRED, KIP-394). v5 adds static members (KIP-345). v9 lets a static leader that
// came back skip the assignment (KIP-814).

const FIRST_VERSION_WITH_REBALANCE_TIMEOUT = 1;
const FIRST_VERSION_WITH_MEMBER_ID_REQUIRED = 4;
const FIRST_VERSION_WITH_NULL_PROTOCOL = 7;
const FIRST_VERSION_WITH_SKIP = 9;

export const joinGroup = handler(Apis.JOIN_GROUP, async (request, context, services) => {
  const { apiVersion } = context;
  const { sessionTimeoutMs } = request;
  const hasRebalanceTimeout = apiVersion >= FIRST_VERSION_WITH_REBALANCE_TIMEOUT;
  const result = await services.groups.join(
    {
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: orUndefined(request.groupInstanceId),
      clientId: context.clientId ?? "",
      clientHost: clientHostOf(context),
      sessionTimeoutMs,
      rebalanceTimeoutMs: hasRebalanceTimeout ? request.rebalanceTimeoutMs : sessionTimeoutMs,
      protocolType: request.protocolType,
      protocols: request.protocols,
      knowsMemberIdRequired: apiVersion >= FIRST_VERSION_WITH_MEMBER_ID_REQUIRED,
      canSkipAssignment: apiVersion >= FIRST_VERSION_WITH_SKIP,
    },
    context.signal,
  );
  return {
    throttleTimeMs: 0,
    errorCode: result.error,
    generationId: result.generationId,
    protocolType: result.protocolType ?? null,
    protocolName: result.protocolName ?? (apiVersion >= FIRST_VERSION_WITH_NULL_PROTOCOL ? null : ""),
    leader: result.leaderId,
    ...(apiVersion >= FIRST_VERSION_WITH_SKIP ? { skipAssignment: result.skipAssignment } : {}),
    memberId: result.memberId,
    members: result.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      groupInstanceId: groupInstanceId ?? null,
      metadata,
    })),
  };
});
