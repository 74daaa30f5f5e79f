import { ApiKey } from "../api-key.ts";
import { array, bool, float64, type Infer, int8, int16, int32, message, string } from "../schema.ts";

/** Kafka's codes of how a quota's entity is named: by its name, as the default one, or as any that has a name. */
export const QuotaMatchType = { EXACT: 0, DEFAULT: 1, SPECIFIED: 2 } as const;

// DescribeClientQuotas v0-1 (KIP-546).
// - An entity name of null is the default entity.
export const DescribeClientQuotasRequest = message({
  apiKey: ApiKey.DESCRIBE_CLIENT_QUOTAS,
  name: "DescribeClientQuotasRequest",
  validVersions: "0-1",
  flexibleVersions: "1+",
  fields: {
    components: array({ entityType: string(), matchType: int8(), match: string({ nullable: "0+" }) }),
    strict: bool(),
  },
});
export type DescribeClientQuotasRequest = Infer<(typeof DescribeClientQuotasRequest)["fields"]>;

export const DescribeClientQuotasResponse = message({
  apiKey: ApiKey.DESCRIBE_CLIENT_QUOTAS,
  name: "DescribeClientQuotasResponse",
  validVersions: "0-1",
  flexibleVersions: "1+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: "0+" }),
    entries: array(
      {
        entity: array({ entityType: string(), entityName: string({ nullable: "0+" }) }),
        values: array({ key: string(), value: float64() }),
      },
      { nullable: "0+" },
    ),
  },
});
export type DescribeClientQuotasResponse = Infer<(typeof DescribeClientQuotasResponse)["fields"]>;
