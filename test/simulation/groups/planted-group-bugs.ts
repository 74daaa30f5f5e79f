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
