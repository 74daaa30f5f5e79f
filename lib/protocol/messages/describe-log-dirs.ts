import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, int64, message, string } from "../schema.ts";

// DescribeLogDirs v0-5 (KIP-113); Kafka 4 begins at 1.
// - No topics, null, are all of them.
// v3 adds an error of the whole answer. v4 adds the sizes of volumes (KIP-827), v5 cordoned directories (KIP-1066).
export const DescribeLogDirsRequest = message({
  apiKey: ApiKey.DESCRIBE_LOG_DIRS,
  name: "DescribeLogDirsRequest",
  validVersions: "0-5",
  flexibleVersions: "2+",
  fields: { topics: array({ topic: string(), partitions: array(int32()) }, { nullable: "0+" }) },
});
export type DescribeLogDirsRequest = Infer<(typeof DescribeLogDirsRequest)["fields"]>;

export const DescribeLogDirsResponse = message({
  apiKey: ApiKey.DESCRIBE_LOG_DIRS,
  name: "DescribeLogDirsResponse",
  validVersions: "0-5",
  flexibleVersions: "2+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: "3+", ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool(),
        }),
      }),
      totalBytes: int64({ versions: "4+", default: -1, ignorable: true }),
      usableBytes: int64({ versions: "4+", default: -1, ignorable: true }),
      isCordoned: bool({ versions: "5+", default: false, ignorable: true }),
    }),
  },
});
export type DescribeLogDirsResponse = Infer<(typeof DescribeLogDirsResponse)["fields"]>;
