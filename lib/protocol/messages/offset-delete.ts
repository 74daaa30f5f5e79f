import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string } from "../schema.ts";

// OffsetDelete v0 (KIP-496).
export const OffsetDeleteRequest = message({
  apiKey: ApiKey.OFFSET_DELETE,
  name: "OffsetDeleteRequest",
  validVersions: "0",
  flexibleVersions: "none",
  fields: {
    groupId: string(),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32() }) }),
  },
});
export type OffsetDeleteRequest = Infer<(typeof OffsetDeleteRequest)["fields"]>;

export const OffsetDeleteResponse = message({
  apiKey: ApiKey.OFFSET_DELETE,
  name: "OffsetDeleteResponse",
  validVersions: "0",
  flexibleVersions: "none",
  fields: {
    errorCode: int16(),
    throttleTimeMs: int32({ default: 0 }),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) }),
  },
});
export type OffsetDeleteResponse = Infer<(typeof OffsetDeleteResponse)["fields"]>;
