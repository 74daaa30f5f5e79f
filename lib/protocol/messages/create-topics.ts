import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int8, int16, int32, message, string, uuid } from "../schema.ts";

// CreateTopics v0-7; Kafka 4 begins at 2.
// - numPartitions and replicationFactor are -1 for the broker's defaults, from v4 on (KIP-464), and with assignments.
// v1 adds validateOnly. v5 answers the topic's configs (KIP-525), v6 throttles (KIP-599), v7 answers its id (KIP-516).
export const CreateTopicsRequest = message({
  apiKey: ApiKey.CREATE_TOPICS,
  name: "CreateTopicsRequest",
  validVersions: "0-7",
  flexibleVersions: "5+",
  fields: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({ partitionIndex: int32(), brokerIds: array(int32()) }, { default: [] }),
      configs: array({ name: string(), value: string({ nullable: "0+" }) }, { default: [] }),
    }),
    timeoutMs: int32({ default: 60_000 }),
    validateOnly: bool({ versions: "1+" }),
  },
});
export type CreateTopicsRequest = Infer<(typeof CreateTopicsRequest)["fields"]>;

export const CreateTopicsResponse = message({
  apiKey: ApiKey.CREATE_TOPICS,
  name: "CreateTopicsResponse",
  validVersions: "0-7",
  flexibleVersions: "5+",
  fields: {
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    topics: array({
      name: string(),
      topicId: uuid({ versions: "7+", ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ versions: "1+", nullable: "0+", ignorable: true }),
      topicConfigErrorCode: int16({ versions: "5+", tag: 0, taggedVersions: "5+", ignorable: true }),
      numPartitions: int32({ versions: "5+", default: -1, ignorable: true }),
      replicationFactor: int16({ versions: "5+", default: -1, ignorable: true }),
      configs: array(
        {
          name: string(),
          value: string({ nullable: "5+" }),
          readOnly: bool(),
          configSource: int8({ default: -1, ignorable: true }),
          isSensitive: bool(),
        },
        { versions: "5+", nullable: "5+", ignorable: true },
      ),
    }),
  },
});
export type CreateTopicsResponse = Infer<(typeof CreateTopicsResponse)["fields"]>;
