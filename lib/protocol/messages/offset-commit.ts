import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, int64, message, string, uuid } from "../schema.ts";

// OffsetCommit v0-10; Kafka 4 begins at 2.
// - generationIdOrMemberEpoch: -1 with an empty member id for a commit from outside of the group.
// - retentionTimeMs and commitTimestamp beyond 2^53 become 2^53 - 1, as far away as the one meant.
// v1 adds the member and a timestamp, which v2 trades for a retention time; v5 drops that too (KIP-211). v6 adds the
// leader epoch (KIP-320), v7 static members (KIP-345). v9 serves KIP-848's groups. v10 names topics by id.
export const OffsetCommitRequest = message({
  apiKey: ApiKey.OFFSET_COMMIT,
  name: "OffsetCommitRequest",
  validVersions: "0-10",
  flexibleVersions: "8+",
  fields: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ versions: "1+", default: -1, ignorable: true }),
    memberId: string({ versions: "1+", ignorable: true }),
    groupInstanceId: string({ versions: "7+", nullable: "7+", default: null }),
    retentionTimeMs: int64({ versions: "2-4", default: -1, ignorable: true, clamp: true }),
    topics: array({
      name: string({ versions: "0-9", ignorable: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: "6+", default: -1, ignorable: true }),
        commitTimestamp: int64({ versions: "1", default: -1, clamp: true }),
        committedMetadata: string({ nullable: "0+" }),
      }),
    }),
  },
});
export type OffsetCommitRequest = Infer<(typeof OffsetCommitRequest)["fields"]>;

export const OffsetCommitResponse = message({
  apiKey: ApiKey.OFFSET_COMMIT,
  name: "OffsetCommitResponse",
  validVersions: "0-10",
  flexibleVersions: "8+",
  fields: {
    throttleTimeMs: int32({ versions: "3+", ignorable: true }),
    topics: array({
      name: string({ versions: "0-9", ignorable: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      partitions: array({ partitionIndex: int32(), errorCode: int16() }),
    }),
  },
});
export type OffsetCommitResponse = Infer<(typeof OffsetCommitResponse)["fields"]>;
