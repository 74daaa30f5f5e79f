import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, message, string } from "../schema.ts";

// AlterPartitionReassignments v0-1 (KIP-455).
// - Replicas of null cancel what is under way.
// v1 lets the client forbid another replication factor (KIP-860).
export const AlterPartitionReassignmentsRequest = message({
  apiKey: ApiKey.ALTER_PARTITION_REASSIGNMENTS,
  name: "AlterPartitionReassignmentsRequest",
  validVersions: "0-1",
  flexibleVersions: "0+",
  fields: {
    timeoutMs: int32({ default: 60_000 }),
    allowReplicationFactorChange: bool({ versions: "1+", default: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32(), { nullable: "0+", default: null }),
      }),
    }),
  },
});
export type AlterPartitionReassignmentsRequest = Infer<(typeof AlterPartitionReassignmentsRequest)["fields"]>;

export const AlterPartitionReassignmentsResponse = message({
  apiKey: ApiKey.ALTER_PARTITION_REASSIGNMENTS,
  name: "AlterPartitionReassignmentsResponse",
  validVersions: "0-1",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    allowReplicationFactorChange: bool({ versions: "1+", default: true, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ nullable: "0+" }),
    responses: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: "0+" }),
      }),
    }),
  },
});
export type AlterPartitionReassignmentsResponse = Infer<(typeof AlterPartitionReassignmentsResponse)["fields"]>;
