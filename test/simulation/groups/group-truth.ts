import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { groupJournalId } from "#lib/coordinator/group-journals.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState, GroupState } from "#lib/coordinator/group-state.ts";
import type { GroupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { decodeRecord } from "#lib/journal/command-record.ts";
import { FoldedState } from "#lib/journal/folded-state.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import type { Scheduler } from "../scheduler.ts";
import { GROUP_ID, TOPIC_ID } from "./group-names.ts";

/** A commit that was taken. Its name is the metadata that its client gave it. */
export interface TrueCommit {
  readonly name: string;
  readonly atMs: number;
  readonly partitionIndex: number;
  readonly offset: number;
  readonly memberId: string;
  readonly generation: number;
}

/** The group's journal, folded in the instant in which each record comes to stand, and what may never be seen there. */
export class GroupTruth {
  readonly problems: string[] = [];
  /** By partition, in order. */
  readonly commits = new Map<number, TrueCommit[]>();
  readonly commitNames = new Set<string>();
  readonly #scheduler: Scheduler;
  readonly #consumerSessionMs: number;
  readonly #folded: FoldedState<GroupJournalState, GroupCommand, GroupOutcome>;
  readonly #checksums: number[] = [0];
  /** When each record came to stand. */
  readonly #recordAtMs: number[] = [0];
  #highest = 0;
  #isBroken = false;

  constructor(scheduler: Scheduler, machine: GroupStateMachine, consumerSessionMs: number) {
    this.#scheduler = scheduler;
    this.#consumerSessionMs = consumerSessionMs;
    const fold: GroupStateMachine["fold"] = (state, command, context) => {
      scheduler.trace(`  ${command.kind} ${"memberId" in command ? command.memberId : ""}`);
      const seen = this.#seen(state.groups.get(GROUP_ID), command);
      const outcome = machine.fold(state, command, context);
      if (outcome.kind === "done") this.#taken(command, seen);
      this.#after(state.groups.get(GROUP_ID));
      return outcome;
    };
    this.#folded = new FoldedState(groupJournalId(0), { ...machine, fold });
  }

  get group(): GroupState | undefined {
    return this.#folded.state.groups.get(GROUP_ID);
  }

  /** The generation, or the group epoch. */
  get generation(): number {
    const membership = this.group?.membership;
    return membership?.type === "classic" ? membership.generationId : (membership?.groupEpoch ?? 0);
  }

  get seq(): JournalSeq {
    return this.#folded.seq;
  }

  checksumAt(seq: JournalSeq): number | undefined {
    return this.#checksums[seq];
  }

  note(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): void {
    if (journal !== groupJournalId(0) || this.#isBroken || seq !== this.#folded.seq + 1) return;
    this.#recordAtMs[seq] = this.#scheduler.elapsedMs;
    try {
      this.#folded.fold(decodeRecord(bytes), new Map());
      this.#checksums[seq] = this.#folded.checksum;
    } catch (error) {
      this.#isBroken = true;
      this.problems.push(`truth: record ${seq}: ${describeError(error)}`);
    }
  }

  /** What was committed for a partition at some instant of a span; undefined stands for nothing. */
  committedIn(partitionIndex: number, startMs: number, endMs: number): ReadonlySet<string | undefined> {
    const names = new Set<string | undefined>();
    let before: string | undefined;
    for (const { name, atMs } of this.commits.get(partitionIndex) ?? []) {
      if (atMs <= startMs) before = name;
      else if (atMs <= endMs) names.add(name);
    }
    return names.add(before);
  }

  /** What a command that is taken must agree with. */
  #seen(group: GroupState | undefined, command: GroupCommand): Seen {
    const membership = group?.membership;
    const memberId = "memberId" in command ? command.memberId : "";
    if (membership?.type === "classic") {
      const member = membership.members.get(memberId) ?? membership.pendingMembers.get(memberId);
      const sessionTimeoutMs = member?.sessionTimeoutMs ?? 0;
      return { generation: membership.generationId, epoch: 0, seenSeq: member?.seenSeq ?? 0, sessionTimeoutMs };
    }
    const member = membership?.members.get(memberId);
    const sessionTimeoutMs = this.#consumerSessionMs;
    const generation = member?.memberEpoch ?? -1;
    return { generation, epoch: membership?.groupEpoch ?? 0, seenSeq: member?.seenSeq ?? 0, sessionTimeoutMs };
  }

  #taken(command: GroupCommand, seen: Seen): void {
    const nowMs = this.#scheduler.elapsedMs;
    if (command.kind === "expire-member") {
      // No clock that measures the session may run before the last sign of life has come to stand.
      const aliveMs = nowMs - (this.#recordAtMs[seen.seenSeq] ?? 0);
      if (aliveMs < seen.sessionTimeoutMs - 1) {
        const ms = aliveMs.toFixed(0);
        this.problems.push(`checkSession: ${command.memberId} expired ${ms} ms after its last sign of life`);
      }
    }
    if (command.kind === "set-target-assignment" && command.groupEpoch !== seen.epoch) {
      this.problems.push(`checkTarget: the target of epoch ${command.groupEpoch} was taken at epoch ${seen.epoch}`);
    }
    if (command.kind !== "commit-offsets") return;
    const { memberId, generationIdOrMemberEpoch: generation } = command;
    if (generation !== seen.generation) {
      this.problems.push(`checkZombie: ${memberId} of ${generation} commits in ${seen.generation}`);
    }
    for (const { topicId, partitions } of command.topics) {
      if (topicId !== TOPIC_ID) continue;
      for (const { partitionIndex, offset, metadata: name } of partitions) {
        this.#noteCommit({ name, atMs: nowMs, partitionIndex, offset, memberId, generation });
      }
    }
  }

  #noteCommit(commit: TrueCommit): void {
    const { partitionIndex, offset, name, memberId } = commit;
    const known = this.commits.get(partitionIndex) ?? [];
    this.commits.set(partitionIndex, known);
    const last = known.at(-1);
    // What a member sent itself, and gave up, may come late; nobody else's may.
    const isOwn = last?.memberId === memberId && last.generation === commit.generation;
    if (last !== undefined && offset < last.offset && !isOwn) {
      this.problems.push(`checkNoRetreat: partition ${partitionIndex} goes from ${last.name} back to ${name}`);
    }
    if (this.commitNames.has(name)) this.problems.push(`checkNoRetreat: ${name} is committed twice`);
    this.commitNames.add(name);
    known.push(commit);
  }

  #after(group: GroupState | undefined): void {
    const membership = group?.membership;
    if (membership === undefined) return;
    if (membership.type === "classic") {
      if (membership.generationId < this.#highest) this.problems.push("checkOneOwner: the generation goes back");
      this.#highest = membership.generationId;
      return;
    }
    const owners = new Map<number, string>();
    for (const { memberId, assigned, pendingRevocation } of membership.members.values()) {
      for (const held of [assigned, pendingRevocation]) {
        for (const partition of held.get(TOPIC_ID) ?? []) {
          const owner = owners.get(partition);
          if (owner !== undefined) this.problems.push(`checkOneOwner: ${partition} is ${owner}'s and ${memberId}'s`);
          owners.set(partition, memberId);
        }
      }
    }
  }
}

interface Seen {
  readonly generation: number;
  readonly epoch: number;
  readonly seenSeq: JournalSeq;
  readonly sessionTimeoutMs: number;
}
