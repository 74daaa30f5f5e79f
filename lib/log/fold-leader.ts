import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { AlterIsrCommand, ElectCommand, LogOutcome } from "./log-command.ts";
import type { LeaderState, LogState } from "./log-state.ts";

const DONE: LogOutcome = { kind: "done" };

/** Before the first election: nobody leads, in epoch 0. */
export const NO_LEADER: LeaderState = { brokerId: -1, brokerEpoch: 0, epoch: 0, clusterSeq: 0 };

/**
 * Names the journal's leader under a new epoch. Two brokers may elect at once and both in good faith: the epoch lets one
 * of them through, and an older view of the cluster does not undo what a newer one has decided.
 */
export function foldElect(state: LogState, command: ElectCommand): LogOutcome {
  const { brokerId, brokerEpoch, clusterSeq, expectedEpoch } = command;
  const { leader } = state;
  if (expectedEpoch !== leader.epoch) return { kind: "refused", error: ErrorCode.FENCED_LEADER_EPOCH };
  if (clusterSeq < leader.clusterSeq) return { kind: "refused", error: ErrorCode.STALE_BROKER_EPOCH };
  state.leader = { brokerId, brokerEpoch, epoch: leader.epoch + 1, clusterSeq };
  return DONE;
}

/** Sets which stores count. The epoch rises only with a change, so that saying the same again fences nobody. */
export function foldAlterIsr(state: LogState, command: AlterIsrCommand): LogOutcome {
  const { expectedIsrEpoch, isr } = command;
  if (expectedIsrEpoch !== state.isrEpoch) return { kind: "refused", error: ErrorCode.INVALID_UPDATE_VERSION };
  const isAmongReplicas = isr.every((store) => state.replicas.includes(store));
  if (isr.length === 0 || !isAmongReplicas) return { kind: "refused", error: ErrorCode.INVALID_REQUEST };
  const ordered = state.replicas.filter((store) => isr.includes(store));
  // Both stand in the order of the replicas.
  const isSame = ordered.length === state.isr.length && ordered.every((store, at) => store === state.isr[at]);
  if (isSame) return DONE;
  state.isr = ordered;
  state.isrEpoch++;
  return DONE;
}
