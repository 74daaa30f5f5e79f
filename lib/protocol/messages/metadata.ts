import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, message, string, uuid } from "../schema.ts";

/** Stands for "not asked for" in a field of authorized operations. */
export const OPERATIONS_NOT_ASKED = -2147483648;

// Metadata v0-13.
// - topics: in v0 an empty list asks for all topics; from v1 on null does, and an empty list asks for none.
// v4 adds the wish for auto-creation. v8 adds authorized operations. v10 adds topic ids (KIP-516); v12 lets a client ask
// by id alone. v11 moves the cluster's operations to DescribeCluster. v13 adds a top-level error (KIP-1102).
export const MetadataRequest = message({
  apiKey: ApiKey.METADATA,
  name: "MetadataRequest",
  validVersions: "0-13",
  flexibleVersions: "9+",
  fields: {
    topics: array(
      { topicId: uuid({ versions: "10+", ignorable: true }), name: string({ nullable: "10+" }) },
      { nullable: "1+" },
    ),
    allowAutoTopicCreation: bool({ versions: "4+", default: true }),
    includeClusterAuthorizedOperations: bool({ versions: "8-10" }),
    includeTopicAuthorizedOperations: bool({ versions: "8+" }),
  },
});
export type MetadataRequest = Infer<(typeof MetadataRequest)["fields"]>;

export const MetadataResponse = message({
  apiKey: ApiKey.METADATA,
  name: "MetadataResponse",
  validVersions: "0-13",
  flexibleVersions: "9+",
  fields: {
    throttleTimeMs: int32({ versions: "3+", ignorable: true }),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ versions: "1+", nullable: "1+", default: null, ignorable: true }),
    }),
    clusterId: string({ versions: "2+", nullable: "2+", default: null, ignorable: true }),
    controllerId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string({ nullable: "12+" }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      isInternal: bool({ versions: "1+", ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ versions: "7+", default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { versions: "5+", ignorable: true }),
      }),
      topicAuthorizedOperations: int32({ versions: "8+", default: OPERATIONS_NOT_ASKED }),
    }),
    clusterAuthorizedOperations: int32({ versions: "8-10", default: OPERATIONS_NOT_ASKED }),
    errorCode: int16({ versions: "13+", ignorable: true }),
  },
});
export type MetadataResponse = Infer<(typeof MetadataResponse)["fields"]>;
