import { ApiKey } from "../api-key.ts";
import { array, bytes, type Infer, int16, int32, message, string } from "../schema.ts";

// SyncGroup v0-5.
// - assignments comes from the leader alone; what is assigned belongs to the clients and is passed on as it is.
// v3 adds static members (KIP-345). v5 names the protocol on both ways, so that a mix-up is noticed (KIP-559).
export const SyncGroupRequest = message({
  apiKey: ApiKey.SYNC_GROUP,
  name: "SyncGroupRequest",
  validVersions: "0-5",
  flexibleVersions: "4+",
  fields: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: "3+", nullable: "3+", default: null }),
    protocolType: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
    protocolName: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
    assignments: array({ memberId: string(), assignment: bytes() }),
  },
});
export type SyncGroupRequest = Infer<(typeof SyncGroupRequest)["fields"]>;

export const SyncGroupResponse = message({
  apiKey: ApiKey.SYNC_GROUP,
  name: "SyncGroupResponse",
  validVersions: "0-5",
  flexibleVersions: "4+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
    protocolType: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
    protocolName: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
    assignment: bytes(),
  },
});
export type SyncGroupResponse = Infer<(typeof SyncGroupResponse)["fields"]>;
