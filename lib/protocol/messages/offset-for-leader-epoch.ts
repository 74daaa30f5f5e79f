import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, int64, message, string } from "../schema.ts";

// OffsetForLeaderEpoch v0-4 (KIP-101, KIP-279, KIP-320); Kafka 4 begins at 2.
// - replicaId: -1 a consumer, -2 a debug client, as versions before 3 are taken to be.
export const OffsetForLeaderEpochRequest = message({
  apiKey: ApiKey.OFFSET_FOR_LEADER_EPOCH,
  name: "OffsetForLeaderEpochRequest",
  validVersions: "0-4",
  flexibleVersions: "4+",
  fields: {
    replicaId: int32({ versions: "3+", default: -2, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ versions: "2+", default: -1, ignorable: true }),
        leaderEpoch: int32(),
      }),
    }),
  },
});
export type OffsetForLeaderEpochRequest = Infer<(typeof OffsetForLeaderEpochRequest)["fields"]>;

export const OffsetForLeaderEpochResponse = message({
  apiKey: ApiKey.OFFSET_FOR_LEADER_EPOCH,
  name: "OffsetForLeaderEpochResponse",
  validVersions: "0-4",
  flexibleVersions: "4+",
  fields: {
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ versions: "1+", default: -1, ignorable: true }),
        endOffset: int64({ default: -1 }),
      }),
    }),
  },
});
export type OffsetForLeaderEpochResponse = Infer<(typeof OffsetForLeaderEpochResponse)["fields"]>;
