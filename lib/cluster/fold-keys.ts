import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { API_KEY_RIGHTS_MAX, API_KEYS_MAX } from "#lib/util/limits.ts";
import type { ClusterOutcome, CreateKeyCommand } from "./cluster-command.ts";
import type { ClusterState } from "./cluster-state.ts";
import { refused } from "./fold-topics.ts";

const DONE: ClusterOutcome = { kind: "done" };

export function foldCreateKey(state: ClusterState, command: CreateKeyCommand, context: FoldContext): ClusterOutcome {
  const { keyId, secretHash, name, rights, requestsPerSecond, expiresAtMs } = command;
  if (state.apiKeys.has(keyId)) return refused(ErrorCode.DUPLICATE_RESOURCE, keyId);
  if (secretHash.length !== 32 || rights.length > API_KEY_RIGHTS_MAX) return refused(ErrorCode.INVALID_REQUEST);
  if (state.apiKeys.size >= API_KEYS_MAX) return refused(ErrorCode.POLICY_VIOLATION, "keys");
  const createdAtMs = context.proposedAtMs;
  state.apiKeys.set(keyId, { keyId, secretHash, name, rights, requestsPerSecond, createdAtMs, expiresAtMs });
  return DONE;
}

export function foldDeleteKey(state: ClusterState, keyId: string): ClusterOutcome {
  return state.apiKeys.delete(keyId) ? DONE : refused(ErrorCode.RESOURCE_NOT_FOUND, keyId);
}
