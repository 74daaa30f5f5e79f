import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, message, string } from "../schema.ts";

// CreatePartitions v0-3 (KIP-195).
// - count is the new total; assignments, if not null, cover the added partitions only.
export const CreatePartitionsRequest = message({
  apiKey: ApiKey.CREATE_PARTITIONS,
  name: "CreatePartitionsRequest",
  validVersions: "0-3",
  flexibleVersions: "2+",
  fields: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array({ brokerIds: array(int32()) }, { nullable: "0+" }),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
});
export type CreatePartitionsRequest = Infer<(typeof CreatePartitionsRequest)["fields"]>;

export const CreatePartitionsResponse = message({
  apiKey: ApiKey.CREATE_PARTITIONS,
  name: "CreatePartitionsResponse",
  validVersions: "0-3",
  flexibleVersions: "2+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: "0+", default: null }),
    }),
  },
});
export type CreatePartitionsResponse = Infer<(typeof CreatePartitionsResponse)["fields"]>;
