import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string } from "../schema.ts";

// LeaveGroup v0-5.
// v3 takes several members, named by member id, by instance id with an empty member id, or by both (KIP-345). v5 adds
// reasons (KIP-800).
export const LeaveGroupRequest = message({
  apiKey: ApiKey.LEAVE_GROUP,
  name: "LeaveGroupRequest",
  validVersions: "0-5",
  flexibleVersions: "4+",
  fields: {
    groupId: string(),
    memberId: string({ versions: "0-2" }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: "3+", default: null }),
        reason: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
      },
      { versions: "3+" },
    ),
  },
});
export type LeaveGroupRequest = Infer<(typeof LeaveGroupRequest)["fields"]>;

export const LeaveGroupResponse = message({
  apiKey: ApiKey.LEAVE_GROUP,
  name: "LeaveGroupResponse",
  validVersions: "0-5",
  flexibleVersions: "4+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
    members: array(
      { memberId: string(), groupInstanceId: string({ nullable: "3+" }), errorCode: int16() },
      { versions: "3+" },
    ),
  },
});
export type LeaveGroupResponse = Infer<(typeof LeaveGroupResponse)["fields"]>;
