import { haveSamePartitions } from "#lib/coordinator/assignment-sets.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import type { ConsumerHeartbeatRequest } from "#lib/coordinator/shell/consumer-request-check.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { CoordinatorProcess } from "./coordinator-world.ts";
import { GROUP, TOPIC } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";

/** A member of the consumer protocol that owns what it is told to, at once. */
export class TestConsumer {
  readonly memberId: string;
  /** Says what it owns only when that has changed, as clients may; else in every heartbeat. */
  readonly isQuiet: boolean;
  process: CoordinatorProcess;
  memberEpoch = 0;
  owned: Assignment = new Map();
  error: ErrorCode = ErrorCode.NONE;
  #said: Assignment | undefined;

  constructor(process: CoordinatorProcess, memberId: string, { isQuiet = false } = {}) {
    this.process = process;
    this.memberId = memberId;
    this.isQuiet = isQuiet;
  }

  get partitions(): readonly number[] {
    return this.owned.get(TOPIC) ?? [];
  }

  async beat(): Promise<void> {
    const owned = this.memberEpoch === 0 ? new Map() : this.owned;
    const hasSaid = this.isQuiet && this.memberEpoch > 0 && this.#said === owned;
    const answer = await this.#heartbeat(this.memberEpoch, hasSaid ? undefined : owned);
    this.error = answer.kind === "refused" ? answer.error : ErrorCode.NONE;
    if (answer.kind === "refused") return;
    this.#said = owned;
    this.memberEpoch = answer.memberEpoch;
    const { assignment } = answer;
    if (assignment !== undefined && !haveSamePartitions(assignment, this.owned)) this.owned = assignment;
  }

  /** Leaves for good. It may join again. */
  async leave(): Promise<void> {
    const answer = await this.#heartbeat(-1, undefined);
    this.error = answer.kind === "refused" ? answer.error : ErrorCode.NONE;
    this.memberEpoch = 0;
    this.owned = new Map();
    this.#said = undefined;
  }

  #heartbeat(memberEpoch: number, owned: Assignment | undefined) {
    const isJoining = memberEpoch === 0;
    const request: ConsumerHeartbeatRequest = {
      groupId: GROUP,
      memberId: this.memberId,
      memberEpoch,
      instanceId: undefined,
      rackId: undefined,
      clientId: "client",
      clientHost: "/127.0.0.1",
      rebalanceTimeoutMs: isJoining ? 60_000 : -1,
      subscribedTopicNames: isJoining ? ["orders"] : undefined,
      subscribedTopicRegex: undefined,
      serverAssignor: undefined,
      owned,
      makesOwnMemberId: true,
    };
    return this.process.coordinator.consumers.heartbeat(request, NEVER);
  }
}
