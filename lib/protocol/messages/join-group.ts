import { ApiKey } from "../api-key.ts";
import { array, bool, bytes, type Infer, int16, int32, message, string } from "../schema.ts";

// JoinGroup v0-9.
// - rebalanceTimeoutMs is -1 in v0, where the session time-out stands for it.
// - protocols: the member's preferences, best first; metadata belongs to the clients and is passed on as it is.
// - members is filled for the leader alone; protocolName may be null, for errors, only from v7 on.
// v4 lets a member join in two steps (MEMBER_ID_REQUIRED, KIP-394). v5 adds static members (KIP-345). v7 answers the
// protocol type (KIP-559). v8 adds a reason (KIP-800). v9 lets a leader skip the assignment (KIP-814).
export const JoinGroupRequest = message({
  apiKey: ApiKey.JOIN_GROUP,
  name: "JoinGroupRequest",
  validVersions: "0-9",
  flexibleVersions: "6+",
  fields: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ versions: "1+", default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ versions: "5+", nullable: "5+", default: null }),
    protocolType: string(),
    protocols: array({ name: string(), metadata: bytes() }),
    reason: string({ versions: "8+", nullable: "8+", default: null, ignorable: true }),
  },
});
export type JoinGroupRequest = Infer<(typeof JoinGroupRequest)["fields"]>;

export const JoinGroupResponse = message({
  apiKey: ApiKey.JOIN_GROUP,
  name: "JoinGroupResponse",
  validVersions: "0-9",
  flexibleVersions: "6+",
  fields: {
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ versions: "7+", nullable: "7+", default: null, ignorable: true }),
    protocolName: string({ nullable: "7+" }),
    leader: string(),
    skipAssignment: bool({ versions: "9+" }),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
});
export type JoinGroupResponse = Infer<(typeof JoinGroupResponse)["fields"]>;
