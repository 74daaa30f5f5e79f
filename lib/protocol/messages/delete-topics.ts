import { ApiKey } from "../api-key.ts";
import { array, type Infer, int16, int32, message, string, uuid } from "../schema.ts";

// DeleteTopics v0-6; Kafka 4 begins at 1.
// v5 adds a text to errors (KIP-599). v6 takes ids as well as names (KIP-516).
export const DeleteTopicsRequest = message({
  apiKey: ApiKey.DELETE_TOPICS,
  name: "DeleteTopicsRequest",
  validVersions: "0-6",
  flexibleVersions: "4+",
  fields: {
    topics: array({ name: string({ nullable: "6+", default: null }), topicId: uuid() }, { versions: "6+" }),
    topicNames: array(string(), { versions: "0-5", ignorable: true }),
    timeoutMs: int32(),
  },
});
export type DeleteTopicsRequest = Infer<(typeof DeleteTopicsRequest)["fields"]>;

export const DeleteTopicsResponse = message({
  apiKey: ApiKey.DELETE_TOPICS,
  name: "DeleteTopicsResponse",
  validVersions: "0-6",
  flexibleVersions: "4+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    responses: array({
      name: string({ nullable: "6+" }),
      topicId: uuid({ versions: "6+", ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ versions: "5+", nullable: "5+", default: null, ignorable: true }),
    }),
  },
});
export type DeleteTopicsResponse = Infer<(typeof DeleteTopicsResponse)["fields"]>;
