import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { CoordinatorType } from "#lib/protocol/messages/find-coordinator.ts";
import type { BrokerServices } from "../broker-services.ts";
import { handler } from "../handler.ts";
import type { RequestContext } from "../request-context.ts";

// FindCoordinator v0-6.
// - Any broker serves any group, so the answer is the broker that was asked: it has the connection already.
// - Transactions have no coordinators yet. Clients retry COORDINATOR_NOT_AVAILABLE for ever, so the answer is an error
//   that every client takes as final, with a text that says why. Share groups are not served either.
// v1 adds the key type. v4 asks for several keys at once (KIP-699).

const NOWHERE = { nodeId: -1, host: "", port: -1 };
const FIRST_VERSION_WITH_SEVERAL_KEYS = 4;

export const findCoordinator = handler(Apis.FIND_COORDINATOR, (request, context, services) => {
  const { errorCode, errorMessage, ...place } = coordinatorOf(request.keyType, context, services);
  if (context.apiVersion < FIRST_VERSION_WITH_SEVERAL_KEYS) {
    return { throttleTimeMs: 0, errorCode, errorMessage, ...place };
  }
  return {
    throttleTimeMs: 0,
    coordinators: request.coordinatorKeys.map((key) => ({ key, errorCode, errorMessage, ...place })),
  };
});

function coordinatorOf(keyType: number, { listener }: RequestContext, { identity }: BrokerServices) {
  switch (keyType) {
    case CoordinatorType.GROUP:
      return {
        errorCode: ErrorCode.NONE,
        errorMessage: "",
        nodeId: identity.brokerId,
        host: listener.advertisedHost,
        port: listener.advertisedPort,
      };
    case CoordinatorType.TRANSACTION:
      return {
        errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        errorMessage: "transactions are not supported yet",
        ...NOWHERE,
      };
    default:
      return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `no coordinators of type ${keyType}`, ...NOWHERE };
  }
}
