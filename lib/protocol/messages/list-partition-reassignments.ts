import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string } from "../schema.ts";

// ListPartitionReassignments v0 (KIP-455).
// - No topics, null, are all of them; the answer has partitions that are on their way alone.
export const ListPartitionReassignmentsRequest = message({
  apiKey: ApiKey.LIST_PARTITION_REASSIGNMENTS,
  name: "ListPartitionReassignmentsRequest",
  validVersions: "0",
  flexibleVersions: "0+",
  fields: {
    timeoutMs: int32({ default: 60_000 }),
    topics: array({ name: string(), partitionIndexes: array(int32()) }, { nullable: "0+", default: null }),
  },
});
export type ListPartitionReassignmentsRequest = Infer<(typeof ListPartitionReassignmentsRequest)["fields"]>;

export const ListPartitionReassignmentsResponse = message({
  apiKey: ApiKey.LIST_PARTITION_REASSIGNMENTS,
  name: "ListPartitionReassignmentsResponse",
  validVersions: "0",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: "0+" }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32()),
      }),
    }),
  },
});
export type ListPartitionReassignmentsResponse = Infer<(typeof ListPartitionReassignmentsResponse)["fields"]>;
