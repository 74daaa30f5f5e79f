import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, int64, message, string, uuid } from "../schema.ts";

// OffsetFetch v0-10; Kafka 4 begins at 1, and v0 read from ZooKeeper.
// - topics null, from v2 on, asks for all that the group has committed.
// - committedOffset is -1 where nothing is committed.
// v5 answers leader epochs (KIP-320). v7 may ask for offsets that no open transaction is about to change (KIP-447). v8
// asks for several groups (KIP-709). v9 adds the member of a KIP-848 group. v10 names topics by id.
export const OffsetFetchRequest = message({
  apiKey: ApiKey.OFFSET_FETCH,
  name: "OffsetFetchRequest",
  validVersions: "0-10",
  flexibleVersions: "6+",
  fields: {
    groupId: string({ versions: "0-7" }),
    topics: array({ name: string(), partitionIndexes: array(int32()) }, { versions: "0-7", nullable: "2-7" }),
    groups: array(
      {
        groupId: string(),
        memberId: string({ versions: "9+", nullable: "9+", default: null, ignorable: true }),
        memberEpoch: int32({ versions: "9+", default: -1, ignorable: true }),
        topics: array(
          {
            name: string({ versions: "8-9", ignorable: true }),
            topicId: uuid({ versions: "10+", ignorable: true }),
            partitionIndexes: array(int32()),
          },
          { nullable: "8+" },
        ),
      },
      { versions: "8+" },
    ),
    requireStable: bool({ versions: "7+" }),
  },
});
export type OffsetFetchRequest = Infer<(typeof OffsetFetchRequest)["fields"]>;

export const OffsetFetchResponse = message({
  apiKey: ApiKey.OFFSET_FETCH,
  name: "OffsetFetchResponse",
  validVersions: "0-10",
  flexibleVersions: "6+",
  fields: {
    throttleTimeMs: int32({ versions: "3+", ignorable: true }),
    topics: array(
      {
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32({ versions: "5-7", default: -1, ignorable: true }),
          metadata: string({ nullable: "0-7" }),
          errorCode: int16(),
        }),
      },
      { versions: "0-7" },
    ),
    errorCode: int16({ versions: "2-7", ignorable: true }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ versions: "8-9", ignorable: true }),
          topicId: uuid({ versions: "10+", ignorable: true }),
          partitions: array({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1 }),
            metadata: string({ nullable: "8+" }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ default: 0 }),
      },
      { versions: "8+" },
    ),
  },
});
export type OffsetFetchResponse = Infer<(typeof OffsetFetchResponse)["fields"]>;
