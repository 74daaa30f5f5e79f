import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { CoordinatorType } from "#lib/protocol/messages/find-coordinator.ts";
import type { BrokerId } from "#lib/util/branded.ts";
import { CLIENT_COORDINATOR_MS_MAX } from "#lib/util/limits.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { assertNoError } from "./kafka-error.ts";

const FIRST_VERSION_WITH_SEVERAL_KEYS = 4;

/**
 * Runs `call` with the broker that coordinates the group. Finds the coordinator and calls again while the errors are
 * retriable, so `call` has to be such that a second time does no harm. Fails as the last try did.
 */
export async function withCoordinator<T>(
  client: KafkaClient,
  groupId: string,
  call: (nodeId: BrokerId) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  // That there is no broker is told at once; only a coordinator is worth waiting for.
  await client.connection(undefined, signal);
  return client.retrying(async () => call(await findCoordinator(client, groupId, signal)), {
    timeoutMs: CLIENT_COORDINATOR_MS_MAX,
    signal,
  });
}

async function findCoordinator(client: KafkaClient, groupId: string, signal: AbortSignal): Promise<BrokerId> {
  const keyType = CoordinatorType.GROUP;
  const answer = await client.sendAs(
    Apis.FIND_COORDINATOR,
    (version) =>
      version < FIRST_VERSION_WITH_SEVERAL_KEYS ? { key: groupId, keyType } : { coordinatorKeys: [groupId], keyType },
    { signal },
  );
  const found = answer.coordinators[0] ?? answer;
  assertNoError(found.errorCode, `coordinator of group ${groupId}`, found.errorMessage || null);
  client.learnBroker(found);
  return found.nodeId;
}

/** Fails with `KafkaError` unless `code` is NONE; a code that is not there at all stands for a broken answer. */
export function assertGroup(code: number | undefined, groupId: string, detail: string | null = null): void {
  assertNoError(code ?? ErrorCode.UNKNOWN_SERVER_ERROR, `group ${groupId}`, detail);
}
