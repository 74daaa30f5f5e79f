import { CONSUMER_PROTOCOL_TYPE } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GROUP_MEMBER_BYTES_MAX } from "#lib/util/limits.ts";
import { type JoinAnswer, type JoinedMember, joinAnswer } from "../classic-answers.ts";
import type { JoinCommand } from "../classic-command.ts";
import { subscriptionOf } from "../consumer-classic-answers.ts";
import { mayGiveId } from "../fold-classic-join.ts";
import type { GroupOutcome, JoinedConsumerGroupOutcome, JoinedOutcome } from "../group-outcome.ts";
import type { ConsumerTargets } from "./consumer-targets.ts";
import { GivenMemberIds } from "./given-member-ids.ts";
import type { GroupAccess } from "./group-access.ts";
import { newMemberId } from "./member-ids.ts";

/** JoinGroup without its versions. */
export interface JoinRequest {
  readonly groupId: string;
  /** Empty: the client has none yet. */
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: JoinCommand["protocols"];
  /** v4 and above: the client joins in two steps (KIP-394). */
  readonly knowsMemberIdRequired: boolean;
  /** v9 and above: a leader may be told to skip the assignment (KIP-814). */
  readonly canSkipAssignment: boolean;
}

export interface JoinResult {
  readonly error: ErrorCode;
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  readonly leaderId: string;
  readonly skipAssignment: boolean;
  readonly members: readonly JoinedMember[];
}

/** JoinGroup: proposes, waits for the round to be over, answers from the folded state. */
export class JoinCalls implements Disposable {
  readonly #access: GroupAccess;
  readonly #targets: ConsumerTargets;
  readonly #givenIds: GivenMemberIds;

  constructor(access: GroupAccess, targets: ConsumerTargets) {
    this.#access = access;
    this.#targets = targets;
    this.#givenIds = new GivenMemberIds(access);
  }

  async join(request: JoinRequest, signal: AbortSignal): Promise<JoinResult> {
    const { groupId } = request;
    const fault = this.#faultOf(request);
    if (fault !== ErrorCode.NONE) return refusedJoin(fault, request.memberId);
    const command = this.#commandOf(request);
    const { memberId } = command;
    const proposed = await this.#access.limited<JoinedOutcome | JoinResult>(signal, async (limited) => {
      if (await this.#mayGive(command, limited)) return refusedJoin(ErrorCode.MEMBER_ID_REQUIRED, memberId);
      const outcome = await this.#propose(command, limited);
      this.#access.watches.heard(groupId, memberId);
      switch (outcome.kind) {
        case "joined":
          return outcome;
        case "reserved":
          return refusedJoin(ErrorCode.MEMBER_ID_REQUIRED, memberId);
        case "joined-consumer-group":
          return joinedConsumerGroup(outcome, memberId);
        case "refused":
          return refusedJoin(outcome.error, request.memberId);
        default:
          return refusedJoin(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, request.memberId);
      }
    });
    if (typeof proposed === "number") return refusedJoin(proposed, request.memberId);
    if (!("kind" in proposed)) return proposed;
    return this.#answered(request, { memberId, outcome: proposed }, signal);
  }

  [Symbol.dispose](): void {
    this.#givenIds[Symbol.dispose]();
  }

  async #mayGive(command: JoinCommand, signal: AbortSignal): Promise<boolean> {
    if (!command.mustReserve) return false;
    const journal = await this.#access.journalOf(command.groupId, signal);
    return mayGiveId(journal.state, command) && this.#givenIds.give(command);
  }

  /**
   * A consumer group (KIP-848) has to know what the member subscribes to. There the member waits for nobody: if its joining
   * calls for a new target it joins once more, in the same record as the target, to have its part at once.
   */
  async #propose(command: JoinCommand, signal: AbortSignal): Promise<GroupOutcome> {
    const outcome = await this.#access.propose(command, signal);
    if (outcome.kind !== "subscription-needed") return outcome;
    const { groupId, protocols } = command;
    const view = this.#access.topics.view();
    const subscription = subscriptionOf(protocols, (name) => view.topic(name)?.topicId);
    if (subscription === undefined) return { kind: "refused", error: ErrorCode.INCONSISTENT_GROUP_PROTOCOL };
    const whole = { ...command, subscription };
    const first = await this.#access.propose(whole, signal);
    if (first.kind !== "joined-consumer-group") return first;
    const journal = await this.#access.journalOf(groupId, signal);
    let answer: GroupOutcome = first;
    const followUp = async () => {
      const again = await this.#access.propose({ ...whole, isNewMemberId: false, mustReserve: false }, signal);
      // The group may have become classic meanwhile; then the member has joined a round.
      if (again.kind === "joined-consumer-group" || again.kind === "joined") answer = again;
    };
    await this.#targets.settle(journal, groupId, { signal, followUp });
    return answer;
  }

  #faultOf({ groupId, sessionTimeoutMs, protocols }: JoinRequest): ErrorCode {
    if (groupId === "") return ErrorCode.INVALID_GROUP_ID;
    if (bytesOf(protocols) > GROUP_MEMBER_BYTES_MAX) return ErrorCode.MESSAGE_TOO_LARGE;
    const { topics } = this.#access;
    const isAllowed =
      sessionTimeoutMs >= topics.brokerInteger("group.min.session.timeout.ms") &&
      sessionTimeoutMs <= topics.brokerInteger("group.max.session.timeout.ms");
    return isAllowed ? ErrorCode.NONE : ErrorCode.INVALID_SESSION_TIMEOUT;
  }

  #commandOf(request: JoinRequest): JoinCommand {
    const { topics, random } = this.#access;
    const { groupInstanceId, clientId } = request;
    const hasNoId = request.memberId === "";
    const isNewMemberId = hasNoId || this.#givenIds.take(request);
    return {
      kind: "join",
      groupId: request.groupId,
      memberId: hasNoId ? newMemberId(groupInstanceId ?? clientId, random) : request.memberId,
      isNewMemberId,
      mustReserve: hasNoId && request.knowsMemberIdRequired && groupInstanceId === undefined,
      groupInstanceId,
      clientId,
      clientHost: request.clientHost,
      rebalanceTimeoutMs: Math.max(0, request.rebalanceTimeoutMs),
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocolType: request.protocolType,
      protocols: request.protocols,
      groupSizeMax: topics.brokerInteger("group.max.size"),
      initialDelayMs: topics.brokerInteger("group.initial.rebalance.delay.ms"),
      subscription: undefined,
    };
  }

  async #answered(
    { groupId, groupInstanceId, canSkipAssignment }: JoinRequest,
    { memberId, outcome }: { readonly memberId: string; readonly outcome: JoinedOutcome },
    signal: AbortSignal,
  ): Promise<JoinResult> {
    const asker = { groupId, memberId, groupInstanceId, round: outcome.round };
    const journal = await this.#access.journalOf(groupId, signal);
    const ask = () => {
      const answer = joinAnswer(journal.state, asker);
      return answer.kind === "waiting" ? undefined : answer;
    };
    const answer = await this.#access.until(journal, groupId, ask, signal);
    // Its answer goes out now, and so its session time-out begins anew.
    this.#access.watches.heard(groupId, memberId);
    if (answer.kind === "refused") return refusedJoin(answer.error, memberId);
    return joinResult(answer, { memberId, replacedMemberId: outcome.replacedMemberId, canSkipAssignment });
  }
}

function bytesOf(protocols: JoinRequest["protocols"]): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.byteLength, 0);
}

/** Nobody leads a consumer group: its assignments come from the broker. */
function joinedConsumerGroup(outcome: JoinedConsumerGroupOutcome, memberId: string): JoinResult {
  const { memberEpoch: generationId, protocolName } = outcome;
  const joined = { error: ErrorCode.NONE, memberId, generationId, protocolType: CONSUMER_PROTOCOL_TYPE, protocolName };
  return { ...joined, leaderId: "", skipAssignment: false, members: [] };
}

function joinResult(
  answer: JoinAnswer,
  asker: {
    readonly memberId: string;
    readonly replacedMemberId: string | undefined;
    readonly canSkipAssignment: boolean;
  },
): JoinResult {
  const { generationId, protocolType, protocolName } = answer;
  const { memberId, replacedMemberId, canSkipAssignment } = asker;
  const joined = { error: ErrorCode.NONE, memberId, generationId, protocolType, protocolName };
  // The group goes on as it was: a static leader that came back must not assign anew.
  const isReturnedLeader = replacedMemberId !== undefined && answer.leaderId === memberId;
  if (isReturnedLeader && !canSkipAssignment) {
    return { ...joined, leaderId: replacedMemberId, skipAssignment: false, members: [] };
  }
  return { ...joined, leaderId: answer.leaderId, skipAssignment: isReturnedLeader, members: answer.members };
}

function refusedJoin(error: ErrorCode, memberId: string): JoinResult {
  const nothing = { generationId: -1, protocolType: undefined, protocolName: undefined, leaderId: "" };
  return { error, memberId, ...nothing, skipAssignment: false, members: [] };
}
