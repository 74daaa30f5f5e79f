import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string } from "../schema.ts";

// DeleteGroups v0-2 (KIP-229).
export const DeleteGroupsRequest = message({
  apiKey: ApiKey.DELETE_GROUPS,
  name: "DeleteGroupsRequest",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: { groupsNames: array(string()) },
});
export type DeleteGroupsRequest = Infer<(typeof DeleteGroupsRequest)["fields"]>;

export const DeleteGroupsResponse = message({
  apiKey: ApiKey.DELETE_GROUPS,
  name: "DeleteGroupsResponse",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({ groupId: string(), errorCode: int16() }),
  },
});
export type DeleteGroupsResponse = Infer<(typeof DeleteGroupsResponse)["fields"]>;
