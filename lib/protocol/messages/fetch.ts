import { ApiKey } from "../api-key.ts";
import { array, type Infer, int8, int16, int32, int64, message, records, string, struct, uuid } from "../schema.ts";

const leaderIdAndEpoch = { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) };

// Fetch v4-18.
// - fetchOffset beyond 2^53 becomes 2^53 - 1, which is out of range as well.
// v5 adds the log start offset. v7 adds sessions (KIP-227). v9 adds the leader epoch (KIP-320). v11 adds the rack
// (KIP-392). v12 adds diverging epochs (KIP-595). v13 names topics by id (KIP-516). v15 moves the replica into a tagged
// struct (KIP-903). v16 names the new leader's endpoint (KIP-951). v17 adds directory ids (KIP-853), v18 the follower's
// high watermark (KIP-1166).
export const FetchRequest = message({
  apiKey: ApiKey.FETCH,
  name: "FetchRequest",
  validVersions: "4-18",
  flexibleVersions: "12+",
  fields: {
    clusterId: string({
      versions: "12+",
      nullable: "12+",
      default: null,
      tag: 0,
      taggedVersions: "12+",
      ignorable: true,
    }),
    replicaId: int32({ versions: "0-14", default: -1 }),
    replicaState: struct(
      { replicaId: int32({ default: -1 }), replicaEpoch: int64({ default: -1 }) },
      { versions: "15+", tag: 1, taggedVersions: "15+" },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff, ignorable: true }),
    isolationLevel: int8({ default: 0, ignorable: true }),
    sessionId: int32({ versions: "7+", ignorable: true }),
    sessionEpoch: int32({ versions: "7+", default: -1, ignorable: true }),
    topics: array({
      topic: string({ versions: "0-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ versions: "9+", default: -1, ignorable: true }),
        fetchOffset: int64({ clamp: true }),
        lastFetchedEpoch: int32({ versions: "12+", default: -1 }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({ versions: "17+", tag: 0, taggedVersions: "17+", ignorable: true }),
        // Kafka's default is 2^63 - 1, "nothing known"; the largest safe integer stands for it.
        highWatermark: int64({
          versions: "18+",
          default: Number.MAX_SAFE_INTEGER,
          tag: 1,
          taggedVersions: "18+",
          ignorable: true,
          clamp: true,
        }),
      }),
    }),
    forgottenTopicsData: array(
      {
        topic: string({ versions: "0-12", ignorable: true }),
        topicId: uuid({ versions: "13+", ignorable: true }),
        partitions: array(int32()),
      },
      { versions: "7+" },
    ),
    rackId: string({ versions: "11+", ignorable: true }),
  },
});
export type FetchRequest = Infer<(typeof FetchRequest)["fields"]>;

export const FetchResponse = message({
  apiKey: ApiKey.FETCH,
  name: "FetchResponse",
  validVersions: "4-18",
  flexibleVersions: "12+",
  fields: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    errorCode: int16({ versions: "7+", ignorable: true }),
    sessionId: int32({ versions: "7+" }),
    responses: array({
      topic: string({ versions: "0-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ default: -1, ignorable: true }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        divergingEpoch: struct(
          { epoch: int32({ default: -1 }), endOffset: int64({ default: -1 }) },
          { versions: "12+", tag: 0, taggedVersions: "12+" },
        ),
        currentLeader: struct(leaderIdAndEpoch, { versions: "12+", tag: 1, taggedVersions: "12+" }),
        snapshotId: struct(
          { endOffset: int64({ default: -1 }), epoch: int32({ default: -1 }) },
          { versions: "12+", tag: 2, taggedVersions: "12+" },
        ),
        abortedTransactions: array({ producerId: int64(), firstOffset: int64() }, { nullable: "4+", default: [] }),
        preferredReadReplica: int32({ versions: "11+", default: -1 }),
        records: records({ nullable: "0+" }),
      }),
    }),
    nodeEndpoints: array(
      { nodeId: int32(), host: string(), port: int32(), rack: string({ nullable: "16+", default: null }) },
      { versions: "16+", tag: 0, taggedVersions: "16+" },
    ),
  },
});
export type FetchResponse = Infer<(typeof FetchResponse)["fields"]>;
