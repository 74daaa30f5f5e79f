import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import type { GroupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { GroupDecorations } from "./group-decorations.ts";

// Bugs that groups must not have, one at a time, between the parts of a process. Made anew for every world, because some
// keep notes.

export const PLANTED_GROUP_BUGS: ReadonlyMap<string, () => GroupDecorations> = new Map<string, () => GroupDecorations>([
  ["unchecked-commit", () => rewriting(withPresentGeneration)],
  ["unseen-expiry", () => rewriting(withPresentSeenSeq)],
  ["late-target", () => rewriting(withPresentEpoch)],
  ["heartbeat-always-fine", heartbeatAlwaysFine],
  ["wall-clock-session", () => ({ clock: (clock) => ({ ...clock, monotonicMs: () => clock.nowMs() }) })],
  ["early-commit-answer", earlyCommitAnswer],
  ["early-handover", () => rewriting(withNothingOwned)],
  ["replaced-member-commits", () => rewriting(withStandingMember)],
  ["unseen-commit-expires", () => rewriting(withPresentOffsets)],
  ["old-subscriptions", () => rewriting(withFirstProtocols)],
  ["upgrade-without-owners", () => rewriting(withEmptyHanded)],
  ["upgrade-by-assignment", () => rewriting(withAssignmentsOnly)],
  ["ids-for-ever", () => rewriting(withNewId)],
]);

/** The fold takes a command for what it should have said. */
function rewriting(rewrite: (state: GroupJournalState, command: GroupCommand) => GroupCommand): GroupDecorations {
  const decorated = (machine: GroupStateMachine): GroupStateMachine => ({
    ...machine,
    fold: (state, command, context) => machine.fold(state, rewrite(state, command), context),
  });
  return { machine: decorated };
}

/** A zombie's commit counts as one of today. */
function withPresentGeneration(state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "commit-offsets") return command;
  const membership = state.groups.get(command.groupId)?.membership;
  const epoch =
    membership?.type === "classic" ? membership.generationId : membership?.members.get(command.memberId)?.memberEpoch;
  return { ...command, generationIdOrMemberEpoch: epoch ?? command.generationIdOrMemberEpoch };
}

/** A member that has been seen since expires all the same. */
function withPresentSeenSeq(state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "expire-member") return command;
  const seenSeq = state.groups.get(command.groupId)?.membership.members.get(command.memberId)?.seenSeq;
  return { ...command, seenSeq: seenSeq ?? command.seenSeq };
}

/** A target that was computed for other members is taken. */
function withPresentEpoch(state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "set-target-assignment") return command;
  const membership = state.groups.get(command.groupId)?.membership;
  return membership?.type === "consumer" ? { ...command, groupEpoch: membership.groupEpoch } : command;
}

/** Partitions go to their next owner when the member is told to give them up, not when it has. */
function withNothingOwned(_state: GroupJournalState, command: GroupCommand): GroupCommand {
  const isMember = command.kind === "consumer-heartbeat" && command.memberEpoch > 0;
  return isMember ? { ...command, owned: new Map() } : command;
}

/** A static member's instance id is enough: whoever had it before commits as well. */
function withStandingMember(state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "commit-offsets" || command.groupInstanceId === undefined) return command;
  const membership = state.groups.get(command.groupId)?.membership;
  return { ...command, memberId: membership?.staticMembers.get(command.groupInstanceId) ?? command.memberId };
}

/** What was committed after the expirer had looked is forgotten too. */
function withPresentOffsets(state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "expire-offsets") return command;
  const group = state.groups.get(command.groupId);
  const partitions = command.partitions.map((seen) => {
    const standing = group?.offsets.get(seen.topicId)?.get(seen.partitionIndex);
    return { ...seen, commitSeq: standing?.commitSeq ?? seen.commitSeq };
  });
  return { ...command, partitions, changedSeq: group?.changedSeq ?? command.changedSeq };
}

/** A leader hears what members owned when they joined first, not what they own now. */
function withFirstProtocols(state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "join") return command;
  const membership = state.groups.get(command.groupId)?.membership;
  const member = membership?.type === "classic" ? membership.members.get(command.memberId) : undefined;
  return { ...command, protocols: member?.protocols ?? command.protocols };
}

/** The members of a classic group own nothing when it becomes a consumer group. */
function withEmptyHanded(_state: GroupJournalState, command: GroupCommand): GroupCommand {
  if (command.kind !== "consumer-heartbeat" || command.upgrade === undefined) return command;
  const members = command.upgrade.members.map((member) => ({ ...member, assigned: new Map() }));
  return { ...command, upgrade: { ...command.upgrade, members } };
}

/** They own what they were assigned, whatever they have not given up yet. */
function withAssignmentsOnly(state: GroupJournalState, command: GroupCommand): GroupCommand {
  const isUpgrade = command.kind === "consumer-heartbeat" && command.upgrade !== undefined;
  const membership = isUpgrade ? state.groups.get(command.groupId)?.membership : undefined;
  if (membership?.type === "classic") for (const member of membership.members.values()) member.carried = new Map();
  return command;
}

/** A member id is good for more than one joining: whoever was expelled comes back as if nothing had happened. */
function withNewId(_state: GroupJournalState, command: GroupCommand): GroupCommand {
  return command.kind === "join" ? { ...command, isNewMemberId: true } : command;
}

/** Whoever was once in the group is told that nothing has changed, for ever. */
function heartbeatAlwaysFine(): GroupDecorations {
  return {
    services: (services) => {
      const { members } = services;
      const known = new Set<string>();
      return {
        join: (request, signal) => services.join(request, signal),
        consumers: services.consumers,
        offsets: services.offsets,
        members: {
          sync: (request, signal) => members.sync(request, signal),
          leave: (groupId, leaving, signal) => members.leave(groupId, leaving, signal),
          heartbeat: async (request, signal) => {
            const name = `${request.memberId} ${request.generationId}`;
            if (known.has(name)) return ErrorCode.NONE;
            const error = await members.heartbeat(request, signal);
            if (error === ErrorCode.NONE) known.add(name);
            return error;
          },
        },
      };
    },
  };
}

/** A commit is acknowledged when it has been sent. */
function earlyCommitAnswer(): GroupDecorations {
  return {
    services: (services) => ({
      join: (request, signal) => services.join(request, signal),
      consumers: services.consumers,
      members: services.members,
      offsets: {
        fetch: (groupId, asker, signal) => services.offsets.fetch(groupId, asker, signal),
        commit: async (...[request, resolve, signal]) => {
          services.offsets.commit(request, resolve, signal).catch(() => undefined);
          return ErrorCode.NONE;
        },
      },
    }),
  };
}
