import type { FoldContext } from "#lib/journal/state-machine.ts";
import type { ErrorCode } from "#lib/protocol/error-code.ts";
import { newClassicGroup } from "./classic-group.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import type { GroupJournalState, GroupState } from "./group-state.ts";

/** What the folds of one command work on. */
export interface GroupScope {
  readonly state: GroupJournalState;
  readonly group: GroupState;
  readonly context: FoldContext;
}

export const DONE: GroupOutcome = { kind: "done" };
export const MOVED: GroupOutcome = { kind: "moved" };

export function refused(error: ErrorCode): GroupOutcome {
  return { kind: "refused", error };
}

/** Puts a new group into the journal, classic and empty. */
export function createGroup(state: GroupJournalState, groupId: string, context: FoldContext): GroupScope {
  const group: GroupState = {
    groupId,
    createdSeq: context.seq,
    changedSeq: context.seq,
    stateSinceMs: context.proposedAtMs,
    membership: newClassicGroup(),
    offsets: new Map(),
  };
  state.groups.set(groupId, group);
  return { state, group, context };
}

/** Gives the group members of the other protocol, or none of either. Its offsets stay. */
export function replaceMembership(scope: GroupScope, membership: GroupState["membership"]): void {
  scope.group.membership = membership;
  scope.group.createdSeq = scope.context.seq;
  noteStateChange(scope);
}

/** Members, what they subscribe to, or the group's state have changed. */
export function noteChange(scope: GroupScope): void {
  scope.group.changedSeq = scope.context.seq;
}

/** The group's state has changed, and with it the time since when it stands. */
export function noteStateChange(scope: GroupScope): void {
  scope.group.changedSeq = scope.context.seq;
  scope.group.stateSinceMs = scope.context.proposedAtMs;
}
