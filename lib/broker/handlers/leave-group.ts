import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { orUndefined } from "../group-request.ts";
import { handler } from "../handler.ts";

// LeaveGroup v0-5.
// - v0-2 name one member, whose error is the answer's; later ones name several, with an error for each.
// v3 adds static members, by instance id alone with an empty member id (KIP-345).

const FIRST_VERSION_WITH_SEVERAL_MEMBERS = 3;

export const leaveGroup = handler(Apis.LEAVE_GROUP, async (request, { apiVersion, signal }, services) => {
  const { groupId } = request;
  if (apiVersion < FIRST_VERSION_WITH_SEVERAL_MEMBERS) {
    const left = await services.groups.members.leave(
      groupId,
      [{ memberId: request.memberId, groupInstanceId: undefined }],
      signal,
    );
    const errorCode = typeof left === "number" ? left : (left[0] ?? ErrorCode.UNKNOWN_MEMBER_ID);
    return { throttleTimeMs: 0, errorCode };
  }
  const members = request.members.map(({ memberId, groupInstanceId }) => ({
    memberId,
    groupInstanceId: orUndefined(groupInstanceId),
  }));
  const left = await services.groups.members.leave(groupId, members, signal);
  if (typeof left === "number") return { throttleTimeMs: 0, errorCode: left, members: [] };
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    members: request.members.map(({ memberId, groupInstanceId }, at) => ({
      memberId,
      groupInstanceId,
      errorCode: left[at] ?? ErrorCode.UNKNOWN_MEMBER_ID,
    })),
  };
});
