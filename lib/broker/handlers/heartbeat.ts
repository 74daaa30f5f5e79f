import { Apis } from "#lib/protocol/apis.ts";
import { orUndefined } from "../group-request.ts";
import { handler } from "../handler.ts";

// Heartbeat v0-4.
// v3 adds static members (KIP-345).

export const heartbeat = handler(Apis.HEARTBEAT, async (request, context, services) => {
  const { groupId, memberId, generationId } = request;
  const groupInstanceId = orUndefined(request.groupInstanceId);
  const errorCode = await services.groups.members.heartbeat(
    { groupId, memberId, groupInstanceId, generationId },
    context.signal,
  );
  return { throttleTimeMs: 0, errorCode };
});
