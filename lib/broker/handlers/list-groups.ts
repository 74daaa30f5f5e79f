import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { handler } from "../handler.ts";

// ListGroups v0-5.
// - Every broker lists every group; clients that ask all brokers drop what they have seen.
// v4 filters by state (KIP-518), v5 by type (KIP-848); upper and lower case are the same in both.

export const listGroups = handler(Apis.LIST_GROUPS, async (request, { signal }, services) => {
  const groups = await services.groups.admin.list(signal);
  if (typeof groups === "number") return { throttleTimeMs: 0, errorCode: groups, groups: [] };
  const passesState = filterOf(request.statesFilter);
  const passesType = filterOf(request.typesFilter);
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    groups: groups
      .filter(({ state, type }) => passesState(state) && passesType(type))
      .map(({ groupId, protocolType, state, type }) => ({ groupId, protocolType, groupState: state, groupType: type })),
  };
});

/** An empty list lets everything pass. */
function filterOf(wanted: readonly string[]): (value: string) => boolean {
  if (wanted.length === 0) return () => true;
  const lower = new Set(wanted.map((each) => each.toLowerCase()));
  return (value) => lower.has(value.toLowerCase());
}
