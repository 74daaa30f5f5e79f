import { ApiKey } from "../api-key.ts";
import { array, bool, bytes, type Infer, int16, int32, message, string } from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./metadata.ts";

// DescribeGroups v0-6, of classic groups.
// - protocolData is the name of the protocol that the group agreed on.
// - memberMetadata and memberAssignment are what the clients gave (lib/protocol/consumer-protocol.ts for consumers).
// v3 adds authorized operations (KIP-430), v4 static members (KIP-345). v6 answers GROUP_ID_NOT_FOUND, with a text, for
// what v0-5 describe as a dead group (KIP-1043).
export const DescribeGroupsRequest = message({
  apiKey: ApiKey.DESCRIBE_GROUPS,
  name: "DescribeGroupsRequest",
  validVersions: "0-6",
  flexibleVersions: "5+",
  fields: {
    groups: array(string()),
    includeAuthorizedOperations: bool({ versions: "3+" }),
  },
});
export type DescribeGroupsRequest = Infer<(typeof DescribeGroupsRequest)["fields"]>;

export const DescribeGroupsResponse = message({
  apiKey: ApiKey.DESCRIBE_GROUPS,
  name: "DescribeGroupsResponse",
  validVersions: "0-6",
  flexibleVersions: "5+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    groups: array({
      errorCode: int16(),
      // Ignorable, unlike in Kafka, so that one answer serves all versions.
      errorMessage: string({ versions: "6+", nullable: "6+", default: null, ignorable: true }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string({ versions: "4+", nullable: "4+", default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32({ versions: "3+", default: OPERATIONS_NOT_ASKED }),
    }),
  },
});
export type DescribeGroupsResponse = Infer<(typeof DescribeGroupsResponse)["fields"]>;
