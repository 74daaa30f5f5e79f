import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { handler } from "../handler.ts";

// FindCoordinator v0-6.
// - Groups and transactions have no coordinators yet. Clients retry COORDINATOR_NOT_AVAILABLE for ever, so the answer is
//   an error that every client takes as final, with a text that says why.
// v1 adds the key type. v4 asks for several keys at once (KIP-699).

const TRANSACTION_KEY_TYPE = 1;

export const findCoordinator = handler(Apis.FIND_COORDINATOR, (request, { apiVersion }) => {
  const refusal =
    request.keyType === TRANSACTION_KEY_TYPE
      ? {
          errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
          errorMessage: "transactions are not supported yet",
        }
      : { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: "consumer groups are not supported yet" };
  const nowhere = { nodeId: -1, host: "", port: -1 };
  if (apiVersion < 4) return { throttleTimeMs: 0, ...refusal, ...nowhere };
  return {
    throttleTimeMs: 0,
    coordinators: request.coordinatorKeys.map((key) => ({ key, ...nowhere, ...refusal })),
  };
});
