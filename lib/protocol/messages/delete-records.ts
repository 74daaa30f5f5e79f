import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, int64, message, string } from "../schema.ts";

/** In place of an offset: everything below the high watermark. */
export const DELETE_TO_HIGH_WATERMARK = -1;
/** The low watermark of a partition from which nothing could be deleted. */
export const NO_LOW_WATERMARK = -1;

// DeleteRecords v0-2 (KIP-107).
// - The offset is the first one to keep; the low watermark is the partition's first offset afterwards.
export const DeleteRecordsRequest = message({
  apiKey: ApiKey.DELETE_RECORDS,
  name: "DeleteRecordsRequest",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: {
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), offset: int64() }),
    }),
    timeoutMs: int32(),
  },
});
export type DeleteRecordsRequest = Infer<(typeof DeleteRecordsRequest)["fields"]>;

export const DeleteRecordsResponse = message({
  apiKey: ApiKey.DELETE_RECORDS,
  name: "DeleteRecordsResponse",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), lowWatermark: int64(), errorCode: int16() }),
    }),
  },
});
export type DeleteRecordsResponse = Infer<(typeof DeleteRecordsResponse)["fields"]>;
