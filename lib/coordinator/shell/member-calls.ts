import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GROUP_ASSIGNMENTS_BYTES_MAX } from "#lib/util/limits.ts";
import { syncAnswer } from "../classic-answers.ts";
import type { HeartbeatCommand, LeavingMember, SyncCommand } from "../classic-command.ts";
import { memberExpiry } from "../classic-expiries.ts";
import type { ClassicGroup, ClassicMember } from "../classic-group.ts";
import { syncAnswerInConsumerGroup } from "../consumer-classic-answers.ts";
import { checkHeartbeatInConsumerGroup } from "../consumer-classic-checks.ts";
import { checkHeartbeat, isAwaitingOthers } from "../fold-classic-heartbeat.ts";
import { checkSync } from "../fold-classic-sync.ts";
import type { GroupJournal } from "../group-journals.ts";
import type { GroupOutcome } from "../group-outcome.ts";
import type { ConsumerTargets } from "./consumer-targets.ts";
import type { GroupAccess } from "./group-access.ts";
import { LateSyncs } from "./late-syncs.ts";

export type SyncRequest = Omit<SyncCommand, "kind">;
export type HeartbeatRequest = Omit<HeartbeatCommand, "kind">;

export interface SyncResult {
  readonly error: ErrorCode;
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  readonly assignment: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** SyncGroup, Heartbeat and LeaveGroup: what the members of a classic group say once they are in it. */
export class MemberCalls implements Disposable {
  readonly #access: GroupAccess;
  readonly #targets: ConsumerTargets;
  readonly #lateSyncs: LateSyncs;

  constructor(access: GroupAccess, targets: ConsumerTargets) {
    this.#access = access;
    this.#targets = targets;
    this.#lateSyncs = new LateSyncs(access);
  }

  [Symbol.dispose](): void {
    this.#lateSyncs[Symbol.dispose]();
  }

  async sync(request: SyncRequest, signal: AbortSignal): Promise<SyncResult> {
    const { groupId, memberId } = request;
    if (groupId === "") return refusedSync(ErrorCode.INVALID_GROUP_ID);
    const assignedBytes = request.assignments.reduce((sum, { assignment }) => sum + assignment.byteLength, 0);
    if (assignedBytes > GROUP_ASSIGNMENTS_BYTES_MAX) return refusedSync(ErrorCode.MESSAGE_TOO_LARGE);
    const error = await this.#access.limited(signal, (limited) => this.#noteSync(request, limited));
    if (error !== ErrorCode.NONE) return refusedSync(error);
    const journal = await this.#access.journalOf(groupId, signal);
    this.#access.watches.heard(groupId, memberId);
    const ask = () => {
      const membership = journal.state.groups.get(groupId)?.membership;
      if (membership?.type === "consumer") {
        return syncAnswerInConsumerGroup(membership, request, (topicId) => this.#access.topics.nameOf(topicId));
      }
      const answer = syncAnswer(journal.state, request);
      return answer.kind === "waiting" ? undefined : answer;
    };
    const answer = await this.#access.until(journal, groupId, ask, signal);
    this.#access.watches.heard(groupId, memberId);
    if (answer.kind === "refused") return refusedSync(answer.error);
    const { protocolType, protocolName, assignment } = answer;
    return { error: ErrorCode.NONE, protocolType, protocolName, assignment };
  }

  /**
   * The leader's is what the others wait for. Theirs need no record before they are answered, if the folded state says that
   * they may ask; else the fold does.
   */
  async #noteSync(request: SyncRequest, signal: AbortSignal): Promise<ErrorCode> {
    const command = { kind: "sync", ...request } as const;
    const journal = await this.#access.journalOf(request.groupId, signal);
    await this.#access.freshen(journal, signal);
    const group = classicGroup(journal, request.groupId);
    const isFollower = group !== undefined && group.leaderId !== request.memberId;
    if (!isFollower || checkSync(group, request) !== ErrorCode.NONE) {
      return errorOf(await this.#access.propose(command, signal));
    }
    this.#lateSyncs.add({ ...command, assignments: [] });
    return ErrorCode.NONE;
  }

  /**
   * Journaled when a third of the session time-out has passed since the last record that shows the member alive, or since
   * the member was last heard here; in between it is answered from the folded state, but "no" only from a strong read.
   */
  async heartbeat(request: HeartbeatRequest, signal: AbortSignal): Promise<ErrorCode> {
    const { groupId, memberId } = request;
    if (groupId === "") return ErrorCode.INVALID_GROUP_ID;
    return this.#access.limited(signal, async (limited) => {
      const journal = await this.#access.journalOf(groupId, limited);
      await this.#access.freshen(journal, limited);
      const membership = journal.state.groups.get(groupId)?.membership;
      if (membership?.type === "consumer") return this.#heartbeatOfConsumer(journal, request, limited);
      const group = classicGroup(journal, groupId);
      // That there is no such group is the fold's to say.
      if (group === undefined) return this.#journaledHeartbeat(request, limited);
      const error = checkHeartbeat(group, request);
      const member = group.members.get(memberId);
      const isAlive = error === ErrorCode.NONE || error === ErrorCode.REBALANCE_IN_PROGRESS;
      if (!isAlive || member === undefined) return this.#strongHeartbeat(journal, request, limited);
      const isDue = this.#mustJournal(groupId, group, member);
      this.#access.watches.heard(groupId, memberId);
      return isDue ? this.#journaledHeartbeat(request, limited) : error;
    });
  }

  /** In a consumer group (KIP-848) its members' heartbeats are what its target is kept up to date by. */
  async #heartbeatOfConsumer(
    journal: GroupJournal,
    request: HeartbeatRequest,
    signal: AbortSignal,
  ): Promise<ErrorCode> {
    const { groupId, memberId } = request;
    await this.#targets.settle(journal, groupId, { signal });
    const membership = journal.state.groups.get(groupId)?.membership;
    if (membership?.type !== "consumer") return this.#journaledHeartbeat(request, signal);
    const error = checkHeartbeatInConsumerGroup(membership, request);
    const member = membership.members.get(memberId);
    const isAlive = error === ErrorCode.NONE || error === ErrorCode.REBALANCE_IN_PROGRESS;
    if (!isAlive || member?.classic === undefined) return this.#journaledHeartbeat(request, signal);
    const key = `member ${member.seenSeq} ${memberId}`;
    const { sessionTimeoutMs } = member.classic;
    const isDue = this.#access.watches.mustShow(groupId, { memberId, key, sessionTimeoutMs });
    this.#access.watches.heard(groupId, memberId);
    return isDue ? this.#journaledHeartbeat(request, signal) : error;
  }

  /** One error a member, in order. */
  async leave(
    groupId: string,
    members: readonly LeavingMember[],
    signal: AbortSignal,
  ): Promise<ErrorCode | readonly ErrorCode[]> {
    if (groupId === "") return ErrorCode.INVALID_GROUP_ID;
    return this.#access.limited(signal, async (limited) => {
      const outcome = await this.#access.propose({ kind: "leave", groupId, members }, limited);
      return outcome.kind === "left" ? outcome.errors : errorOf(outcome);
    });
  }

  async #strongHeartbeat(journal: GroupJournal, request: HeartbeatRequest, signal: AbortSignal): Promise<ErrorCode> {
    await journal.readBarrier(signal);
    const group = classicGroup(journal, request.groupId);
    if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    const error = checkHeartbeat(group, request);
    if (error === ErrorCode.NONE || error === ErrorCode.REBALANCE_IN_PROGRESS) {
      this.#access.watches.heard(request.groupId, request.memberId);
    }
    return error;
  }

  async #journaledHeartbeat(request: HeartbeatRequest, signal: AbortSignal): Promise<ErrorCode> {
    const error = errorOf(await this.#access.propose({ kind: "heartbeat", ...request }, signal));
    this.#access.watches.heard(request.groupId, request.memberId);
    return error;
  }

  #mustJournal(groupId: string, group: ClassicGroup, member: ClassicMember): boolean {
    if (isAwaitingOthers(group, member)) return false;
    const expiry = memberExpiry(groupId, group, member);
    if (expiry === undefined) return false;
    const { memberId, sessionTimeoutMs } = member;
    return this.#access.watches.mustShow(groupId, { memberId, key: expiry.key, sessionTimeoutMs });
  }
}

function classicGroup(journal: GroupJournal, groupId: string): ClassicGroup | undefined {
  const membership = journal.state.groups.get(groupId)?.membership;
  return membership?.type === "classic" ? membership : undefined;
}

function errorOf(outcome: GroupOutcome): ErrorCode {
  if (outcome.kind === "refused") return outcome.error;
  return outcome.kind === "done" ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
}

function refusedSync(error: ErrorCode): SyncResult {
  return { error, protocolType: undefined, protocolName: undefined, assignment: NO_BYTES };
}
