import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int8, int16, int32, message, string } from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./metadata.ts";

/** Whose endpoints a client asks for. */
export const EndpointType = { BROKERS: 1, CONTROLLERS: 2 } as const;

// DescribeCluster v0-2 (KIP-700).
// v1 adds the type of endpoint (KIP-919), v2 fenced brokers (KIP-1073).
export const DescribeClusterRequest = message({
  apiKey: ApiKey.DESCRIBE_CLUSTER,
  name: "DescribeClusterRequest",
  validVersions: "0-2",
  flexibleVersions: "0+",
  fields: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8({ versions: "1+", default: EndpointType.BROKERS }),
    includeFencedBrokers: bool({ versions: "2+" }),
  },
});
export type DescribeClusterRequest = Infer<(typeof DescribeClusterRequest)["fields"]>;

export const DescribeClusterResponse = message({
  apiKey: ApiKey.DESCRIBE_CLUSTER,
  name: "DescribeClusterResponse",
  validVersions: "0-2",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: "0+", default: null }),
    endpointType: int8({ versions: "1+", default: EndpointType.BROKERS }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullable: "0+", default: null }),
      isFenced: bool({ versions: "2+" }),
    }),
    clusterAuthorizedOperations: int32({ default: OPERATIONS_NOT_ASKED }),
  },
});
export type DescribeClusterResponse = Infer<(typeof DescribeClusterResponse)["fields"]>;
