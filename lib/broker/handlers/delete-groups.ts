import { Apis } from "#lib/protocol/apis.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { handler } from "../handler.ts";

// DeleteGroups v0-2 (KIP-229).
// - A group with members is NON_EMPTY_GROUP; its offsets go with an empty one.

export const deleteGroups = handler(Apis.DELETE_GROUPS, async (request, { signal }, services) => {
  const groupIds = [...new Set(request.groupsNames)];
  const results = await mapInChunks(groupIds, ADMIN_ITEMS_AT_ONCE_MAX, async (groupId) => ({
    groupId,
    errorCode: await services.groups.admin.delete(groupId, signal),
  }));
  return { throttleTimeMs: 0, results };
});
