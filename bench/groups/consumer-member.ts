import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode, isRetriable } from "#lib/protocol/error-code.ts";
import { type ConsumerGroupHeartbeatRequest, MemberEpoch } from "#lib/protocol/messages/consumer-group-heartbeat.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { ASK_AGAIN_MS, type GroupMember, type MemberOptions } from "./group-protocol.ts";
import { REBALANCE_TIMEOUT_MS } from "./sizes.ts";

const COORDINATOR_PAUSE_MS = 100;

/** A member of a consumer group (KIP-848). */
export class ConsumerMember implements GroupMember {
  readonly options: MemberOptions;
  readonly #connection: KafkaConnection;
  readonly #memberId = uuidFromBytes(crypto.getRandomValues(new Uint8Array(16)));
  memberEpoch: number = MemberEpoch.JOIN;
  owned: readonly number[] = [];
  /** The broker has not heard yet what this member has made of its last assignment. */
  #mustConfirm = false;

  static async open(options: MemberOptions): Promise<ConsumerMember> {
    const connection = await KafkaConnection.open({ ...options.address, clientId: "bench" });
    await connection.negotiate();
    return new ConsumerMember(options, connection);
  }

  private constructor(options: MemberOptions, connection: KafkaConnection) {
    this.options = options;
    this.#connection = connection;
  }

  get isSettled(): boolean {
    return !this.#mustConfirm;
  }

  /** The first heartbeat. */
  async join(): Promise<void> {
    this.memberEpoch = MemberEpoch.JOIN;
    this.owned = [];
    this.#mustConfirm = false;
    await this.#send({
      memberEpoch: this.memberEpoch,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      subscribedTopicNames: [this.options.topic.name],
      topicPartitions: [],
    });
  }

  async heartbeat(): Promise<void> {
    const { memberEpoch } = this;
    if (!this.#mustConfirm) return await this.#send({ memberEpoch });
    this.#mustConfirm = false;
    const { topicId } = this.options.topic;
    const topicPartitions = this.owned.length === 0 ? [] : [{ topicId, partitions: [...this.owned] }];
    await this.#send({ memberEpoch, topicPartitions });
  }

  /** Resolves when the member has gone past the epoch, and the broker knows what it has made of that. */
  async follow(epoch: number): Promise<void> {
    for (;;) {
      await this.heartbeat();
      // As consumers do: what was revoked is told at once.
      while (!this.isSettled) await this.heartbeat();
      if (this.memberEpoch > epoch) return;
      await sleep(ASK_AGAIN_MS);
    }
  }

  async leave(): Promise<void> {
    await this.#send({ memberEpoch: MemberEpoch.LEAVE });
    this.owned = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }

  async #send(fields: Partial<ConsumerGroupHeartbeatRequest> & { readonly memberEpoch: number }): Promise<void> {
    const { groupId } = this.options;
    const api = Apis.CONSUMER_GROUP_HEARTBEAT;
    const request = { groupId, memberId: this.#memberId, ...fields };
    for (;;) {
      const answer = await this.#connection.send(api, this.#connection.versionOf(api), request);
      if (isRetriable(answer.errorCode)) {
        await sleep(COORDINATOR_PAUSE_MS);
        continue;
      }
      if (answer.errorCode !== ErrorCode.NONE) assertNoError(answer.errorCode, groupId, answer.errorMessage);
      this.memberEpoch = answer.memberEpoch;
      if (answer.assignment === null) return;
      this.owned = answer.assignment.topicPartitions.flatMap(({ partitions }) => partitions);
      this.#mustConfirm = true;
      return;
    }
  }
}
