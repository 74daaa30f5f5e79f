import { ErrorCode } from "#lib/protocol/error-code.ts";
import { assert } from "#lib/util/assert.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import { upgradeOf } from "../consumer-classic-answers.ts";
import type { ConsumerHeartbeatCommand } from "../consumer-command.ts";
import { followUpHeartbeat, joinedOutcomes, mayFollowUp, unchangedHeartbeat } from "../consumer-heartbeat.ts";
import { JOIN_EPOCH } from "../consumer-members.ts";
import { journaledEpochIn } from "../consumer-reconciliation.ts";
import type { GroupJournal } from "../group-journals.ts";
import type { ConsumerHeartbeatOutcome, GroupOutcome } from "../group-outcome.ts";
import { type ConsumerHeartbeatRequest, consumerRequestFault } from "./consumer-request-check.ts";
import type { ConsumerTargets } from "./consumer-targets.ts";
import type { GroupAccess } from "./group-access.ts";
import { newMemberId } from "./member-ids.ts";

export type ConsumerHeartbeatResult =
  | { readonly kind: "refused"; readonly error: ErrorCode; readonly message: string | undefined }
  | (ConsumerHeartbeatOutcome & { readonly memberId: string; readonly heartbeatIntervalMs: number });

/** Of `group.consumer.migration.policy`: which of its values permit each direction. */
const UPGRADING_POLICIES = ["upgrade", "bidirectional"];
const DOWNGRADING_POLICIES = ["downgrade", "bidirectional"];

/** ConsumerGroupHeartbeat (KIP-848). */
export class ConsumerCalls {
  readonly #access: GroupAccess;
  readonly #targets: ConsumerTargets;

  constructor(access: GroupAccess, targets: ConsumerTargets) {
    this.#access = access;
    this.#targets = targets;
  }

  async heartbeat(request: ConsumerHeartbeatRequest, signal: AbortSignal): Promise<ConsumerHeartbeatResult> {
    const { topics } = this.#access;
    const fault = consumerRequestFault(request, topics.brokerList("group.consumer.assignors"));
    if (fault !== undefined) return { kind: "refused", ...fault };
    const command = this.#commandOf(request);
    const result = await this.#access.limited<ConsumerHeartbeatResult>(signal, async (limited) => {
      const outcome = await this.#beat(command, limited);
      if (outcome.kind === "refused") return { ...outcome, message: undefined };
      assert(outcome.kind === "consumer-heartbeat", "a heartbeat is taken or refused");
      const heartbeatIntervalMs = topics.groupInteger(request.groupId, "consumer.heartbeat.interval.ms");
      return { ...outcome, memberId: command.memberId, heartbeatIntervalMs };
    });
    return typeof result === "number" ? { kind: "refused", error: result, message: undefined } : result;
  }

  #commandOf({ makesOwnMemberId: _, ...request }: ConsumerHeartbeatRequest): ConsumerHeartbeatCommand {
    const { topics, random } = this.#access;
    const { memberId, subscribedTopicNames: names } = request;
    return {
      ...request,
      kind: "consumer-heartbeat",
      memberId: memberId === "" ? newMemberId(request.clientId, random) : memberId,
      subscribedTopicNames: names === undefined ? undefined : [...new Set(names)].sort(),
      groupSizeMax: topics.brokerInteger("group.consumer.max.size"),
      classicSizeMax: this.#isPermitted(DOWNGRADING_POLICIES) ? topics.brokerInteger("group.max.size") : 0,
      upgrade: undefined,
    };
  }

  async #beat(request: ConsumerHeartbeatCommand, signal: AbortSignal): Promise<GroupOutcome> {
    const { groupId, memberId, memberEpoch: shown } = request;
    const journal = await this.#access.journalOf(groupId, signal);
    // Who joins or leaves is journaled in any case.
    if (shown > JOIN_EPOCH) await this.#access.freshen(journal, signal);
    let command = asJournaled(journal, request);
    const unchanged = this.#unjournaled(journal, command);
    let first = unchanged ?? (await this.#proposeFirst(journal, command, signal));
    const isKnownNow = first.kind === "refused" && asJournaled(journal, request).memberEpoch !== command.memberEpoch;
    if (isKnownNow) {
      // Another process had told the member of an epoch that was not known here before this record was folded.
      command = asJournaled(journal, request);
      first = await this.#propose(journal, command, signal);
    }
    if (first.kind !== "consumer-heartbeat") return first;
    this.#access.watches.heard(groupId, memberId);
    if (first.memberEpoch < 0) return first;
    let answer = first;
    let journaled = unchanged === undefined ? first : { ...first, memberEpoch: command.memberEpoch };
    const followUp = async () => {
      if (!mayFollowUp(command, answer)) return;
      const outcome = await this.#access.propose(followUpHeartbeat(command, journaled), signal);
      if (outcome.kind !== "consumer-heartbeat") return;
      answer = joinedOutcomes(answer, outcome);
      journaled = answer;
    };
    await this.#targets.settle(journal, groupId, { signal, followUp });
    // A member that is to give something up stays at the epoch that it has been told, whatever its record says.
    return { ...answer, memberEpoch: Math.max(answer.memberEpoch, shown) };
  }

  /**
   * Whoever joins a group in which nothing else is going on calls for a new target, which can be told before it has joined:
   * both stand in one record then, and its part of the target is in the answer. If others come in between the fold refuses
   * that target.
   */
  async #proposeFirst(
    journal: GroupJournal,
    command: ConsumerHeartbeatCommand,
    signal: AbortSignal,
  ): Promise<GroupOutcome> {
    using foreseen = this.#targets.foresee(journal, command);
    if (foreseen === undefined) return await this.#propose(journal, command, signal);
    const { target, outcome } = foreseen;
    const [first, , second] = await Promise.all([
      this.#propose(journal, command, signal),
      this.#access.propose(target, signal),
      this.#access.propose(followUpHeartbeat(command, outcome), signal),
    ]);
    const isBoth = first.kind === "consumer-heartbeat" && second.kind === "consumer-heartbeat";
    return isBoth ? joinedOutcomes(first, second) : first;
  }

  /** The answer if nothing changes and the journal shows the member alive. */
  #unjournaled(journal: GroupJournal, command: ConsumerHeartbeatCommand): ConsumerHeartbeatOutcome | undefined {
    const { groupId, memberId } = command;
    const membership = journal.state.groups.get(groupId)?.membership;
    if (membership?.type !== "consumer") return undefined;
    const member = membership.members.get(memberId);
    const outcome = unchangedHeartbeat(membership, command);
    if (member === undefined || outcome === undefined) return undefined;
    const { watches, topics } = this.#access;
    const key = `member ${member.seenSeq} ${memberId}`;
    const sessionTimeoutMs = topics.groupInteger(groupId, "consumer.session.timeout.ms");
    return watches.mustShow(groupId, { memberId, key, sessionTimeoutMs }) ? undefined : outcome;
  }

  async #propose(journal: GroupJournal, command: ConsumerHeartbeatCommand, signal: AbortSignal): Promise<GroupOutcome> {
    let outcome = await this.#access.propose(command, signal);
    for (let attempt = 0; outcome.kind === "upgrade-needed" && attempt < GROUP_ATTEMPTS_MAX; attempt++) {
      const group = journal.state.groups.get(command.groupId);
      const view = this.#access.topics.view();
      const isPermitted = group !== undefined && this.#isPermitted(UPGRADING_POLICIES);
      const upgrade = isPermitted ? upgradeOf(group, (name) => view.topic(name)?.topicId) : undefined;
      if (upgrade === undefined) return { kind: "refused", error: ErrorCode.GROUP_ID_NOT_FOUND };
      outcome = await this.#access.propose({ ...command, upgrade }, signal);
    }
    const isUndecided = outcome.kind === "upgrade-needed";
    return isUndecided ? { kind: "refused", error: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS } : outcome;
  }

  #isPermitted(policies: readonly string[]): boolean {
    const [policy = ""] = this.#access.topics.brokerList("group.consumer.migration.policy");
    return policies.includes(policy);
  }
}

/** With the epoch by which the fold knows the member, which may have been told of later ones without a record. */
function asJournaled(journal: GroupJournal, command: ConsumerHeartbeatCommand): ConsumerHeartbeatCommand {
  const group = journal.state.groups.get(command.groupId);
  const memberEpoch = journaledEpochIn(group, command.memberId, command.memberEpoch);
  return memberEpoch === command.memberEpoch ? command : { ...command, memberEpoch };
}
