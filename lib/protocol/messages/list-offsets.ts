import { ApiKey } from "../api-key.ts";
import { array, type Infer, int8, int16, int32, int64, message, string } from "../schema.ts";

/** Values of a request's timestamp that ask for something else than a time. */
export const ListOffsetsTimestamp = {
  LATEST: -1,
  EARLIEST: -2,
  MAX_TIMESTAMP: -3,
  EARLIEST_LOCAL: -4,
  LATEST_TIERED: -5,
  EARLIEST_PENDING_UPLOAD: -6,
} as const;

// ListOffsets v0-11; Kafka 4 begins at 1.
// - timestamp beyond 2^53 becomes 2^53 - 1: no record is as young.
// - v0 answers a list of offsets, newest first, of at most maxNumOffsets.
// v1 answers one offset and its timestamp. v2 adds the isolation level. v4 adds leader epochs. v7 adds the greatest
// timestamp (KIP-734), v8 the local log (KIP-405), v9 the tiered offset (KIP-1005), v10 a time-out for reads of tiered
// storage (KIP-1075), v11 the earliest offset that waits for its upload (KIP-1023).
export const ListOffsetsRequest = message({
  apiKey: ApiKey.LIST_OFFSETS,
  name: "ListOffsetsRequest",
  validVersions: "0-11",
  flexibleVersions: "6+",
  fields: {
    replicaId: int32({ default: -1 }),
    isolationLevel: int8({ versions: "2+" }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ versions: "4+", default: -1, ignorable: true }),
        timestamp: int64({ clamp: true }),
        maxNumOffsets: int32({ versions: "0", default: 1 }),
      }),
    }),
    timeoutMs: int32({ versions: "10+", ignorable: true }),
  },
});
export type ListOffsetsRequest = Infer<(typeof ListOffsetsRequest)["fields"]>;

export const ListOffsetsResponse = message({
  apiKey: ApiKey.LIST_OFFSETS,
  name: "ListOffsetsResponse",
  validVersions: "0-11",
  flexibleVersions: "6+",
  fields: {
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        oldStyleOffsets: array(int64(), { versions: "0" }),
        timestamp: int64({ versions: "1+", default: -1 }),
        offset: int64({ versions: "1+", default: -1 }),
        leaderEpoch: int32({ versions: "4+", default: -1 }),
      }),
    }),
  },
});
export type ListOffsetsResponse = Infer<(typeof ListOffsetsResponse)["fields"]>;
