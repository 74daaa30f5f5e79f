import type { Assignment } from "#lib/coordinator/member-types.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type ClientOptions, type Committer, GroupClient } from "./group-client.ts";
import { TOPIC_ID, TOPIC_NAME } from "./group-names.ts";

const LEAVE_EPOCH = -1;
const LEAVE_FOR_A_WHILE_EPOCH = -2;

/** A consumer of KIP-848: one heartbeat after the other, and in between it gives up and takes over what it is told to. */
export class ConsumerClient extends GroupClient {
  #epoch = 0;
  #told: readonly number[] = [];
  /** The last answer is missing: everything is told again. */
  #mustTellAll = true;

  constructor(options: ClientOptions) {
    super(options);
    this.memberId = this.name;
  }

  override get generation(): number {
    return this.#epoch;
  }

  override get isSettled(): boolean {
    return this.#epoch > 0 && this.owned.length === this.#told.length;
  }

  protected override get committer(): Committer {
    const { memberId, groupInstanceId } = this;
    return { memberId, groupInstanceId, generation: this.#epoch, knowsMemberEpochs: true };
  }

  override async run(): Promise<void> {
    while (!this.isGone) {
      const isTaken = await this.#beat(this.#epoch);
      if (this.isGone) return;
      if (!isTaken) {
        await this.backOff();
        continue;
      }
      if (await this.#reconcile()) continue;
      await this.sleep(this.world.profile.heartbeatMs);
      await this.fetchPositions();
      await this.live(() => this.#leave());
    }
  }

  async #beat(memberEpoch: number): Promise<boolean> {
    const { memberId, groupInstanceId: instanceId, world, group } = this;
    const isFull = this.#mustTellAll || memberEpoch === 0;
    const owned: Assignment = new Map(this.owned.length === 0 ? [] : [[TOPIC_ID, this.owned]]);
    const request = {
      groupId: group.groupId,
      memberId,
      memberEpoch,
      instanceId,
      rackId: undefined,
      clientId: this.name,
      clientHost: "/127.0.0.1",
      rebalanceTimeoutMs: isFull ? world.profile.rebalanceTimeoutMs : -1,
      subscribedTopicNames: isFull ? [TOPIC_NAME] : undefined,
      subscribedTopicRegex: undefined,
      serverAssignor: undefined,
      owned,
      makesOwnMemberId: true,
    };
    const answer = await this.call(({ consumers }, signal) => consumers.heartbeat(request, signal));
    this.#mustTellAll = answer?.kind !== "consumer-heartbeat";
    if (answer === undefined) return false;
    if (answer.kind === "refused") {
      this.#noteError(answer.error);
      return false;
    }
    this.#epoch = answer.memberEpoch;
    if (answer.assignment !== undefined) {
      this.#told = [...(answer.assignment.get(TOPIC_ID) ?? [])];
      world.scheduler.trace(`${this.name} at ${this.#epoch} is told ${this.#told.join()}`);
    }
    return true;
  }

  /** Gives up first, and takes over when nothing is left to give up. True if that is to be told at once. */
  async #reconcile(): Promise<boolean> {
    const { random, group } = this;
    const kept = this.owned.filter((partition) => this.#told.includes(partition));
    if (kept.length < this.owned.length) {
      if (random.chance(0.7)) await this.commit();
      await this.nap();
      this.own(kept);
      return true;
    }
    if (kept.length === this.#told.length) return false;
    this.own(this.#told);
    group.owners.claim(this);
    return true;
  }

  async #leave(): Promise<void> {
    const isForAWhile = this.groupInstanceId !== undefined && this.random.chance(0.5);
    // Whoever leaves owns nothing any more, whether it is heard or not.
    this.#forget();
    await this.#beat(isForAWhile ? LEAVE_FOR_A_WHILE_EPOCH : LEAVE_EPOCH);
    this.#forget();
  }

  #noteError(error: ErrorCode): void {
    const { UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, GROUP_ID_NOT_FOUND, FENCED_INSTANCE_ID } = ErrorCode;
    // The last one says that nobody knows it: the group is gone with its last member, or classic again.
    if (error === UNKNOWN_MEMBER_ID || error === FENCED_MEMBER_EPOCH || error === GROUP_ID_NOT_FOUND) this.#forget();
    if (error === FENCED_INSTANCE_ID) this.isGone = true;
  }

  #forget(): void {
    this.#epoch = 0;
    this.own([]);
    this.#told = [];
    this.#mustTellAll = true;
  }
}
