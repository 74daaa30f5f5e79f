import type { GroupDescription } from "#lib/coordinator/shell/group-descriptions.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { GROUP_OPERATIONS } from "../authorized-operations.ts";
import { handler } from "../handler.ts";

// DescribeGroups v0-6, of classic groups.
// - What is not there, or speaks the consumer protocol, is a dead group without error; from v6 on GROUP_ID_NOT_FOUND with
//   a text (KIP-1043). Clients ask ConsumerGroupDescribe first.
// v3 adds authorized operations (KIP-430), v4 static members (KIP-345).

const FIRST_VERSION_WITH_NOT_FOUND = 6;
const OPERATIONS_NOT_ASKED = -(2 ** 31);

export const describeGroups = handler(Apis.DESCRIBE_GROUPS, async (request, { apiVersion, signal }, services) => {
  const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : OPERATIONS_NOT_ASKED;
  const groups = await mapInChunks(request.groups, ADMIN_ITEMS_AT_ONCE_MAX, async (groupId) => {
    const found = await services.groups.admin.describe(groupId, signal);
    if (typeof found !== "number" && found.type === "classic") return { ...described(found), authorizedOperations };
    return missing(groupId, { found, apiVersion });
  });
  return { throttleTimeMs: 0, groups };
});

function described({ groupId, state, protocolType, protocolName, members }: GroupDescription) {
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: state,
    protocolType,
    protocolData: protocolName,
    members: members.map(({ memberId, groupInstanceId, clientId, clientHost, metadata, assignment }) => ({
      memberId,
      groupInstanceId: groupInstanceId ?? null,
      clientId,
      clientHost,
      memberMetadata: metadata,
      memberAssignment: assignment,
    })),
  };
}

function missing(
  groupId: string,
  { found, apiVersion }: { readonly found: GroupDescription | ErrorCode; readonly apiVersion: number },
) {
  const nothing = { groupId, protocolType: "", protocolData: "", members: [] };
  if (typeof found === "number" && found !== ErrorCode.GROUP_ID_NOT_FOUND) {
    return { ...nothing, errorCode: found, groupState: "" };
  }
  if (apiVersion < FIRST_VERSION_WITH_NOT_FOUND) return { ...nothing, errorCode: ErrorCode.NONE, groupState: "Dead" };
  const errorMessage =
    typeof found === "number" ? `Group ${groupId} not found.` : `Group ${groupId} is not a classic group.`;
  return { ...nothing, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage, groupState: "Dead" };
}
