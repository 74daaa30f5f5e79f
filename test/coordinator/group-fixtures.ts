import type { JoinCommand, SyncCommand } from "#lib/coordinator/classic-command.ts";
import type { ClassicGroup, ClassicMember } from "#lib/coordinator/classic-group.ts";
import type { CommitOffsetsCommand, GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import { type GroupJournalState, type GroupState, initialGroupJournalState } from "#lib/coordinator/group-state.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { type ErrorCode, errorName } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { type TopicId, uuidFromBytes } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";

export const GROUP = "orders";

/** The topic number `n`: ids that tests can tell apart. */
export function topicIdOf(n: number): TopicId {
  return uuidFromBytes(Buffer.from(n.toString(16).padStart(32, "0"), "hex"));
}

export const TOPIC = topicIdOf(1);

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** A consumer that joins for the first time, under the id that the door has made for it. */
export function joinOf(memberId: string, fields: Partial<JoinCommand> = {}): JoinCommand {
  return {
    kind: "join",
    groupId: GROUP,
    memberId,
    isNewMemberId: true,
    mustReserve: false,
    groupInstanceId: undefined,
    clientId: "client",
    clientHost: "/127.0.0.1",
    rebalanceTimeoutMs: 60_000,
    sessionTimeoutMs: 30_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: bytesOf(`topics of ${memberId}`) }],
    groupSizeMax: 1_000,
    initialDelayMs: 0,
    subscription: undefined,
    ...fields,
  };
}

/** The same consumer once it knows its id. */
export function rejoinOf(memberId: string, fields: Partial<JoinCommand> = {}): JoinCommand {
  return joinOf(memberId, { isNewMemberId: false, ...fields });
}

export function protocolsOf(...names: readonly string[]): JoinCommand["protocols"] {
  return names.map((name) => ({ name, metadata: bytesOf(name) }));
}

export function commitOf(offset: number, fields: Partial<CommitOffsetsCommand> = {}): CommitOffsetsCommand {
  const partition = { partitionIndex: 0, offset, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
  return {
    kind: "commit-offsets",
    groupId: GROUP,
    memberId: "",
    groupInstanceId: undefined,
    generationIdOrMemberEpoch: -1,
    knowsMemberEpochs: true,
    clusterSeq: 10,
    topics: [{ topicId: TOPIC, partitions: [partition] }],
    ...fields,
  };
}

/** An outcome in few words: its kind, or the name of the error. */
export function brief(outcome: GroupOutcome): string {
  return outcome.kind === "refused" ? errorNameOf(outcome.error) : outcome.kind;
}

export function errorNameOf(error: ErrorCode): string {
  return errorName(error);
}

/** A state under test: folds commands one record after another. */
export class FoldedGroups {
  state: GroupJournalState = initialGroupJournalState();
  seq = 0;
  nowMs = 1_000_000;

  /** Folds a command as it comes out of the journal. */
  fold(command: GroupCommand): GroupOutcome {
    this.seq++;
    const context = { seq: this.seq, indexInRecord: 0, proposedAtMs: this.nowMs };
    const outcome = groupStateMachine.fold(this.state, recoded(command), context);
    encodedOutcome(outcome);
    return outcome;
  }

  brief(command: GroupCommand): string {
    return brief(this.fold(command));
  }

  get group(): GroupState {
    return defined(this.state.groups.get(GROUP), "group");
  }

  get classic(): ClassicGroup {
    const { membership } = this.group;
    if (membership.type !== "classic") throw new Error(`the group is a ${membership.type} group`);
    return membership;
  }

  member(memberId: string): ClassicMember {
    return defined(this.classic.members.get(memberId), memberId);
  }

  sync(memberId: string, fields: Partial<SyncCommand> = {}): string {
    return this.brief(this.syncOf(memberId, fields));
  }

  syncOf(memberId: string, fields: Partial<SyncCommand> = {}): SyncCommand {
    return {
      kind: "sync",
      groupId: GROUP,
      memberId,
      groupInstanceId: undefined,
      generationId: this.classic.generationId,
      protocolType: undefined,
      protocolName: undefined,
      assignments: [],
      ...fields,
    };
  }

  heartbeat(memberId: string, fields: { generationId?: number; groupInstanceId?: string } = {}): string {
    const { generationId = this.classic.generationId, groupInstanceId } = fields;
    return this.brief({ kind: "heartbeat", groupId: GROUP, memberId, groupInstanceId, generationId });
  }

  /** Removes members by their ids, and says of each what became of it. */
  leave(...memberIds: readonly string[]): readonly string[] {
    const members = memberIds.map((memberId) => ({ memberId, groupInstanceId: undefined }));
    const outcome = this.fold({ kind: "leave", groupId: GROUP, members });
    if (outcome.kind !== "left") throw new Error(`leave answered ${outcome.kind}`);
    return outcome.errors.map(errorNameOf);
  }

  expire(memberId: string, seenSeq = this.member(memberId).seenSeq): string {
    return this.brief({ kind: "expire-member", groupId: GROUP, memberId, seenSeq });
  }

  completeJoin(round = this.classic.round): string {
    return this.brief({ kind: "complete-join", groupId: GROUP, round });
  }

  offset(partitionIndex = 0, topicId = TOPIC): number | undefined {
    return this.group.offsets.get(topicId)?.get(partitionIndex)?.offset;
  }
}

/** A stable group of these members; the first one leads. Joins are as `joinOf` makes them unless given whole. */
export function stableGroup(...joins: readonly (string | JoinCommand)[]): FoldedGroups {
  const groups = completingGroup(...joins);
  const { leaderId, members } = groups.classic;
  const assignments = [...members.keys()].map((memberId) => ({ memberId, assignment: bytesOf(`for ${memberId}`) }));
  for (const memberId of members.keys()) if (memberId !== leaderId) groups.sync(memberId);
  groups.sync(defined(leaderId), { assignments });
  return groups;
}

/** The same before anybody has synced. */
export function completingGroup(...joins: readonly (string | JoinCommand)[]): FoldedGroups {
  const groups = new FoldedGroups();
  for (const join of joins) {
    const command = typeof join === "string" ? joinOf(join) : join;
    groups.fold({ ...command, initialDelayMs: 3_000 });
  }
  groups.completeJoin();
  return groups;
}

export function encodedState(state: GroupJournalState): Uint8Array {
  const writer = new ByteWriter();
  groupStateMachine.encodeState(state, writer);
  return writer.toBytes();
}

export function reloaded(state: GroupJournalState): GroupJournalState {
  const reader = new ByteReader(encodedState(state));
  const decoded = groupStateMachine.decodeState(reader);
  reader.end();
  return decoded;
}

export function encodedOutcome(outcome: GroupOutcome): Uint8Array {
  const writer = new ByteWriter();
  groupStateMachine.encodeOutcome(outcome, writer);
  return writer.toBytes();
}

export function recoded(command: GroupCommand): GroupCommand {
  const writer = new ByteWriter();
  groupStateMachine.encodeCommand(command, writer);
  const reader = new ByteReader(writer.toBytes());
  const decoded = groupStateMachine.decodeCommand(reader);
  reader.end();
  return decoded;
}
