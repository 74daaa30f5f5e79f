import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { orUndefined } from "../group-request.ts";
import { handler } from "../handler.ts";

// SyncGroup v0-5.
// - Followers wait for the leader's assignments; what else the client asks on the same connection waits too.
// - v5 must name the protocol, and gets INCONSISTENT_GROUP_PROTOCOL if it is not the group's (KIP-559).
// v3 adds static members (KIP-345).

const FIRST_VERSION_WITH_PROTOCOL = 5;
const NO_BYTES = new Uint8Array(0);

export const syncGroup = handler(Apis.SYNC_GROUP, async (request, context, services) => {
  const { protocolType, protocolName } = request;
  const isProtocolMissing = protocolType === null || protocolName === null;
  if (context.apiVersion >= FIRST_VERSION_WITH_PROTOCOL && isProtocolMissing) {
    return { throttleTimeMs: 0, errorCode: ErrorCode.INCONSISTENT_GROUP_PROTOCOL, assignment: NO_BYTES };
  }
  const result = await services.groups.members.sync(
    {
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: orUndefined(request.groupInstanceId),
      generationId: request.generationId,
      protocolType: orUndefined(protocolType),
      protocolName: orUndefined(protocolName),
      assignments: request.assignments,
    },
    context.signal,
  );
  return {
    throttleTimeMs: 0,
    errorCode: result.error,
    protocolType: result.protocolType ?? null,
    protocolName: result.protocolName ?? null,
    assignment: result.assignment,
  };
});
