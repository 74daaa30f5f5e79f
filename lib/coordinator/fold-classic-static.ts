import type { JoinCommand } from "./classic-command.ts";
import type { ClassicGroup, ClassicMember } from "./classic-group.ts";
import { newMember, replaceMember, selectProtocol } from "./classic-members.ts";
import { joinRound } from "./classic-round.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { type GroupScope, noteChange } from "./group-scope.ts";

/**
 * A static member comes back without its member id: it takes its old self's place under a new one, and the old id is
 * fenced. A stable group whose protocol stays the same goes on as it was, without a round.
 */
export function foldStaticReturn(
  command: JoinCommand,
  at: { readonly group: ClassicGroup; readonly standing: ClassicMember; readonly scope: GroupScope },
): GroupOutcome {
  const { group, standing, scope } = at;
  const fresh = newMember(command, { round: standing.joinedRound, seq: scope.context.seq });
  const member: ClassicMember = { ...fresh, assignment: standing.assignment, isNew: standing.isNew };
  replaceMember(group, standing, member);
  if (group.state === "Stable" && selectProtocol(group) === group.protocolName) {
    // It has its answer and its assignment; nobody waits for its SyncGroup.
    member.hasSynced = true;
    noteChange(scope);
    return { kind: "joined", round: group.round, replacedMemberId: standing.memberId };
  }
  // Also in CompletingRebalance: the leader was told the old id, so whatever it assigns would miss the new one.
  joinRound(group, member, { scope, initialDelayMs: 0 });
  return { kind: "joined", round: group.round, replacedMemberId: undefined };
}
