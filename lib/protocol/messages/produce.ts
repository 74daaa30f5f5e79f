import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, int64, message, records, string, struct, uuid } from "../schema.ts";

// Produce v3-13. Brokers list it from 0 nevertheless (KAFKA-18659).
// v5 adds the log start offset. v8 adds errors per record (KIP-467). v10 names the current leader (KIP-951).
// v13 names topics by id (KIP-516).
export const ProduceRequest = message({
  apiKey: ApiKey.PRODUCE,
  name: "ProduceRequest",
  validVersions: "3-13",
  flexibleVersions: "9+",
  fields: {
    transactionalId: string({ nullable: "3+", default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string({ versions: "0-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitionData: array({ index: int32(), records: records({ nullable: "0+" }) }),
    }),
  },
});
export type ProduceRequest = Infer<(typeof ProduceRequest)["fields"]>;

export const ProduceResponse = message({
  apiKey: ApiKey.PRODUCE,
  name: "ProduceResponse",
  validVersions: "3-13",
  flexibleVersions: "9+",
  fields: {
    responses: array({
      name: string({ versions: "0-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ default: -1, ignorable: true }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        recordErrors: array(
          { batchIndex: int32(), batchIndexErrorMessage: string({ nullable: "8+", default: null }) },
          { versions: "8+", ignorable: true },
        ),
        errorMessage: string({ versions: "8+", nullable: "8+", default: null, ignorable: true }),
        currentLeader: struct(
          { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
          { versions: "10+", tag: 0, taggedVersions: "10+" },
        ),
      }),
    }),
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    nodeEndpoints: array(
      { nodeId: int32(), host: string(), port: int32(), rack: string({ nullable: "10+", default: null }) },
      { versions: "10+", tag: 0, taggedVersions: "10+" },
    ),
  },
});
export type ProduceResponse = Infer<(typeof ProduceResponse)["fields"]>;
