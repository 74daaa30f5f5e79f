import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int8, int16, int32, message, string } from "../schema.ts";

/** What configs belong to; the values that are told apart here. */
export const ConfigResourceType = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8, CLIENT_METRICS: 16, GROUP: 32 } as const;

/** Where a config's value comes from, the nearest one first. */
export const ConfigSource = {
  UNKNOWN: 0,
  TOPIC: 1,
  DYNAMIC_BROKER: 2,
  DYNAMIC_DEFAULT_BROKER: 3,
  STATIC_BROKER: 4,
  DEFAULT: 5,
  DYNAMIC_BROKER_LOGGER: 6,
  CLIENT_METRICS: 7,
  GROUP: 8,
} as const;

export const ConfigType = {
  UNKNOWN: 0,
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
} as const;

// DescribeConfigs v0-4 (KIP-133); Kafka 4 begins at 1.
// - configurationKeys null asks for all.
// v1 answers sources and synonyms instead of isDefault (KIP-226). v3 adds types and documentation (KIP-569).
export const DescribeConfigsRequest = message({
  apiKey: ApiKey.DESCRIBE_CONFIGS,
  name: "DescribeConfigsRequest",
  validVersions: "0-4",
  flexibleVersions: "4+",
  fields: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullable: "0+" }),
    }),
    includeSynonyms: bool({ versions: "1+" }),
    includeDocumentation: bool({ versions: "3+" }),
  },
});
export type DescribeConfigsRequest = Infer<(typeof DescribeConfigsRequest)["fields"]>;

export const DescribeConfigsResponse = message({
  apiKey: ApiKey.DESCRIBE_CONFIGS,
  name: "DescribeConfigsResponse",
  validVersions: "0-4",
  flexibleVersions: "4+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: "0+" }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: "0+" }),
        readOnly: bool(),
        // Ignorable, unlike in Kafka, so that one answer serves all versions.
        isDefault: bool({ versions: "0", ignorable: true }),
        configSource: int8({ versions: "1+", default: -1, ignorable: true }),
        isSensitive: bool(),
        synonyms: array(
          { name: string(), value: string({ nullable: "0+" }), source: int8() },
          { versions: "1+", ignorable: true },
        ),
        configType: int8({ versions: "3+", ignorable: true }),
        documentation: string({ versions: "3+", nullable: "0+", ignorable: true }),
      }),
    }),
  },
});
export type DescribeConfigsResponse = Infer<(typeof DescribeConfigsResponse)["fields"]>;
