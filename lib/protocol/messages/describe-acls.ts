import { ApiKey } from "../api-key.ts";
import { array, type Infer, int8, int16, int32, message, string } from "../schema.ts";

/** Kafka's codes of how an ACL's resource name matches (KIP-290). */
export const AclPatternType = { UNKNOWN: 0, ANY: 1, MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const;

// DescribeAcls v0-3 (KIP-140); Kafka 4 begins at 1.
// - A null filter matches everything.
// v1 adds pattern types. v3 adds users as resources (KIP-373).
export const DescribeAclsRequest = message({
  apiKey: ApiKey.DESCRIBE_ACLS,
  name: "DescribeAclsRequest",
  validVersions: "0-3",
  flexibleVersions: "2+",
  fields: {
    resourceTypeFilter: int8(),
    resourceNameFilter: string({ nullable: "0+" }),
    patternTypeFilter: int8({ versions: "1+", default: AclPatternType.LITERAL }),
    principalFilter: string({ nullable: "0+" }),
    hostFilter: string({ nullable: "0+" }),
    operation: int8(),
    permissionType: int8(),
  },
});
export type DescribeAclsRequest = Infer<(typeof DescribeAclsRequest)["fields"]>;

export const DescribeAclsResponse = message({
  apiKey: ApiKey.DESCRIBE_ACLS,
  name: "DescribeAclsResponse",
  validVersions: "0-3",
  flexibleVersions: "2+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: "0+" }),
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      patternType: int8({ versions: "1+", default: AclPatternType.LITERAL }),
      acls: array({ principal: string(), host: string(), operation: int8(), permissionType: int8() }),
    }),
  },
});
export type DescribeAclsResponse = Infer<(typeof DescribeAclsResponse)["fields"]>;
