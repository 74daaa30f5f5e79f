import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int8, int16, int32, message, string } from "../schema.ts";

export const AlterConfigOperation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

// IncrementalAlterConfigs v0-1 (KIP-339).
export const IncrementalAlterConfigsRequest = message({
  apiKey: ApiKey.INCREMENTAL_ALTER_CONFIGS,
  name: "IncrementalAlterConfigsRequest",
  validVersions: "0-1",
  flexibleVersions: "1+",
  fields: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), configOperation: int8(), value: string({ nullable: "0+" }) }),
    }),
    validateOnly: bool(),
  },
});
export type IncrementalAlterConfigsRequest = Infer<(typeof IncrementalAlterConfigsRequest)["fields"]>;

export const IncrementalAlterConfigsResponse = message({
  apiKey: ApiKey.INCREMENTAL_ALTER_CONFIGS,
  name: "IncrementalAlterConfigsResponse",
  validVersions: "0-1",
  flexibleVersions: "1+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({
      errorCode: int16(),
      errorMessage: string({ nullable: "0+" }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
});
export type IncrementalAlterConfigsResponse = Infer<(typeof IncrementalAlterConfigsResponse)["fields"]>;
