import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { handler } from "../handler.ts";

// InitProducerId v0-6, for idempotent producers.
// - With a transactional id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which every client takes as final; the response has
//   no place for a text, so FindCoordinator, which comes first, says why.
// - A producer that names its id and epoch (v3, KIP-360) gets a new id, as on Kafka when it has no transactional id.

export const initProducerId = handler(Apis.INIT_PRODUCER_ID, async (request, { signal }, services) => {
  const refused = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 });
  if (request.transactionalId === "") return refused(ErrorCode.INVALID_REQUEST);
  if (request.transactionalId !== null) return refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  // Both or neither: an id without an epoch means nothing.
  if ((request.producerId === -1) !== (request.producerEpoch === -1)) return refused(ErrorCode.INVALID_REQUEST);
  try {
    const producerId = await services.producerIds.next(signal);
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 };
  } catch (error) {
    services.logger.warn("cannot allocate producer ids", { error: describeError(error) });
    return refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  }
});
