import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, int64, message, string } from "../schema.ts";

// DescribeProducers v0 (KIP-664).
export const DescribeProducersRequest = message({
  apiKey: ApiKey.DESCRIBE_PRODUCERS,
  name: "DescribeProducersRequest",
  validVersions: "0",
  flexibleVersions: "0+",
  fields: { topics: array({ name: string(), partitionIndexes: array(int32()) }) },
});
export type DescribeProducersRequest = Infer<(typeof DescribeProducersRequest)["fields"]>;

export const DescribeProducersResponse = message({
  apiKey: ApiKey.DESCRIBE_PRODUCERS,
  name: "DescribeProducersResponse",
  validVersions: "0",
  flexibleVersions: "0+",
  fields: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: "0+", default: null }),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ default: -1 }),
          lastTimestamp: int64({ default: -1 }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64({ default: -1 }),
        }),
      }),
    }),
  },
});
export type DescribeProducersResponse = Infer<(typeof DescribeProducersResponse)["fields"]>;
