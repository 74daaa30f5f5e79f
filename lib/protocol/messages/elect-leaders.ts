import { ApiKey } from "../api-key.ts";
import { array, type Infer, int8, int16, int32, message, string } from "../schema.ts";

/** Kafka's codes of what an election is to achieve (KIP-460). */
export const ElectionType = { PREFERRED: 0, UNCLEAN: 1 } as const;

// ElectLeaders v0-2.
// - No partitions, null, are all of them.
// v1 adds unclean elections (KIP-460) and an error of the whole answer.
export const ElectLeadersRequest = message({
  apiKey: ApiKey.ELECT_LEADERS,
  name: "ElectLeadersRequest",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: {
    electionType: int8({ versions: "1+", default: ElectionType.PREFERRED }),
    topicPartitions: array({ topic: string(), partitions: array(int32()) }, { nullable: "0+" }),
    timeoutMs: int32({ default: 60_000 }),
  },
});
export type ElectLeadersRequest = Infer<(typeof ElectLeadersRequest)["fields"]>;

export const ElectLeadersResponse = message({
  apiKey: ApiKey.ELECT_LEADERS,
  name: "ElectLeadersResponse",
  validVersions: "0-2",
  flexibleVersions: "2+",
  fields: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: "1+" }),
    replicaElectionResults: array({
      topic: string(),
      partitionResult: array({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: "0+" }),
      }),
    }),
  },
});
export type ElectLeadersResponse = Infer<(typeof ElectLeadersResponse)["fields"]>;
