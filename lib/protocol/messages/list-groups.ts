import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string } from "../schema.ts";

// ListGroups v0-5.
// - Empty filters let every group pass.
// v4 adds states (KIP-518), v5 types (KIP-848).
export const ListGroupsRequest = message({
  apiKey: ApiKey.LIST_GROUPS,
  name: "ListGroupsRequest",
  validVersions: "0-5",
  flexibleVersions: "3+",
  fields: {
    statesFilter: array(string(), { versions: "4+" }),
    typesFilter: array(string(), { versions: "5+" }),
  },
});
export type ListGroupsRequest = Infer<(typeof ListGroupsRequest)["fields"]>;

export const ListGroupsResponse = message({
  apiKey: ApiKey.LIST_GROUPS,
  name: "ListGroupsResponse",
  validVersions: "0-5",
  flexibleVersions: "3+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ versions: "4+", ignorable: true }),
      groupType: string({ versions: "5+", ignorable: true }),
    }),
  },
});
export type ListGroupsResponse = Infer<(typeof ListGroupsResponse)["fields"]>;
