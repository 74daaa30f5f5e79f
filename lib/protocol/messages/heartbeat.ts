import { ApiKey } from "../api-key.ts";
import { type Infer, int16, int32, message, string } from "../schema.ts";

// Heartbeat v0-4, of members of classic groups.
// v3 adds static members (KIP-345).
export const HeartbeatRequest = message({
  apiKey: ApiKey.HEARTBEAT,
  name: "HeartbeatRequest",
  validVersions: "0-4",
  flexibleVersions: "4+",
  fields: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: "3+", nullable: "3+", default: null }),
  },
});
export type HeartbeatRequest = Infer<(typeof HeartbeatRequest)["fields"]>;

export const HeartbeatResponse = message({
  apiKey: ApiKey.HEARTBEAT,
  name: "HeartbeatResponse",
  validVersions: "0-4",
  flexibleVersions: "4+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
  },
});
export type HeartbeatResponse = Infer<(typeof HeartbeatResponse)["fields"]>;
