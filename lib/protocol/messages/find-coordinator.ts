import { ApiKey } from "../api-key.ts";
import { array, type Infer, int8, int16, int32, message, string } from "../schema.ts";

export const CoordinatorType = { GROUP: 0, TRANSACTION: 1, SHARE: 2 } as const;

// FindCoordinator v0-6.
// v1 adds transactional ids. v4 asks for several keys at once (KIP-699). v5 adds TRANSACTION_ABORTABLE (KIP-890), v6
// share groups (KIP-932).
export const FindCoordinatorRequest = message({
  apiKey: ApiKey.FIND_COORDINATOR,
  name: "FindCoordinatorRequest",
  validVersions: "0-6",
  flexibleVersions: "3+",
  fields: {
    key: string({ versions: "0-3" }),
    keyType: int8({ versions: "1+", default: CoordinatorType.GROUP }),
    coordinatorKeys: array(string(), { versions: "4+" }),
  },
});
export type FindCoordinatorRequest = Infer<(typeof FindCoordinatorRequest)["fields"]>;

export const FindCoordinatorResponse = message({
  apiKey: ApiKey.FIND_COORDINATOR,
  name: "FindCoordinatorResponse",
  validVersions: "0-6",
  flexibleVersions: "3+",
  fields: {
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16({ versions: "0-3" }),
    errorMessage: string({ versions: "1-3", nullable: "1-3", ignorable: true }),
    nodeId: int32({ versions: "0-3" }),
    host: string({ versions: "0-3" }),
    port: int32({ versions: "0-3" }),
    coordinators: array(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: "4+" }),
      },
      { versions: "4+" },
    ),
  },
});
export type FindCoordinatorResponse = Infer<(typeof FindCoordinatorResponse)["fields"]>;
