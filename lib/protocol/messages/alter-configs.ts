import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int8, int16, int32, message, string } from "../schema.ts";

// AlterConfigs v0-2 (KIP-133). It replaces all configs of a resource: what is not named goes back to its default.
export const AlterConfigsRequest = message({
  apiKey: ApiKey.ALTER_CONFIGS,
  name: "AlterConfigsRequest",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), value: string({ nullable: "0+" }) }),
    }),
    validateOnly: bool(),
  },
});
export type AlterConfigsRequest = Infer<(typeof AlterConfigsRequest)["fields"]>;

export const AlterConfigsResponse = message({
  apiKey: ApiKey.ALTER_CONFIGS,
  name: "AlterConfigsResponse",
  validVersions: "0-2",
  flexibleVersions: "2+",
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
export type AlterConfigsResponse = Infer<(typeof AlterConfigsResponse)["fields"]>;
