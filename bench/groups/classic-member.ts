import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { Apis } from "#lib/protocol/apis.ts";
import {
  CONSUMER_PROTOCOL_TYPE,
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
} from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode, isRetriable } from "#lib/protocol/error-code.ts";
import type { JoinGroupResponse } from "#lib/protocol/messages/join-group.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { ASK_AGAIN_MS, type GroupMember, type MemberOptions } from "./group-protocol.ts";
import { REBALANCE_TIMEOUT_MS, SESSION_TIMEOUT_MS } from "./sizes.ts";

const PROTOCOL_NAME = "range";
const COORDINATOR_PAUSE_MS = 100;

/** A member of a classic group. */
export class ClassicMember implements GroupMember {
  readonly options: MemberOptions;
  readonly connection: KafkaConnection;
  memberId = "";
  generationId = -1;
  /** Members of the generation, if this one leads it; else 0. */
  ledMembers = 0;
  owned: readonly number[] = [];

  static async open(options: MemberOptions): Promise<ClassicMember> {
    const connection = await KafkaConnection.open({ ...options.address, clientId: "bench" });
    await connection.negotiate();
    return new ClassicMember(options, connection);
  }

  private constructor(options: MemberOptions, connection: KafkaConnection) {
    this.options = options;
    this.connection = connection;
  }

  /** Joins and syncs until it is part of a generation. */
  async join(): Promise<void> {
    for (;;) {
      const joined = await this.#join();
      this.memberId = joined.memberId;
      this.generationId = joined.generationId;
      const isLeader = joined.leader === joined.memberId;
      this.ledMembers = isLeader ? joined.members.length : 0;
      const error = await this.#sync(isLeader ? joined.members : []);
      if (error === ErrorCode.NONE) return;
      // Another round has begun meanwhile.
      if (error !== ErrorCode.REBALANCE_IN_PROGRESS) assertNoError(error, this.options.groupId);
    }
  }

  async heartbeat(): Promise<void> {
    assertNoError(await this.#heartbeat(), this.options.groupId);
  }

  /** Resolves when a heartbeat was answered that there is a rebalance. */
  async hearOfRebalance(): Promise<void> {
    for (;;) {
      const error = await this.#heartbeat();
      if (error === ErrorCode.REBALANCE_IN_PROGRESS) return;
      assertNoError(error, this.options.groupId);
      await sleep(ASK_AGAIN_MS);
    }
  }

  /** One heartbeat; joins again if it was answered that there is a rebalance. */
  async keepUp(): Promise<void> {
    const error = await this.#heartbeat();
    if (error === ErrorCode.REBALANCE_IN_PROGRESS) await this.join();
    else assertNoError(error, this.options.groupId);
  }

  async leave(): Promise<void> {
    const { groupId } = this.options;
    const { connection, memberId } = this;
    const version = connection.versionOf(Apis.LEAVE_GROUP);
    const answer = await connection.send(Apis.LEAVE_GROUP, version, { groupId, members: [{ memberId }] });
    assertNoError(answer.errorCode, groupId);
    for (const { errorCode } of answer.members) assertNoError(errorCode, groupId);
    this.memberId = "";
    this.owned = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }

  async #join(): Promise<JoinGroupResponse> {
    const { groupId, topic } = this.options;
    const { connection } = this;
    const version = connection.versionOf(Apis.JOIN_GROUP);
    const protocols = [{ name: PROTOCOL_NAME, metadata: encodeSubscription({ topics: [topic.name] }) }];
    const terms = { sessionTimeoutMs: SESSION_TIMEOUT_MS, rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS };
    for (;;) {
      const request = { groupId, memberId: this.memberId, protocolType: CONSUMER_PROTOCOL_TYPE, protocols, ...terms };
      const joined = await connection.send(Apis.JOIN_GROUP, version, request);
      if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) this.memberId = joined.memberId;
      else if (isRetriable(joined.errorCode)) await sleep(COORDINATOR_PAUSE_MS);
      else {
        assertNoError(joined.errorCode, groupId);
        return joined;
      }
    }
  }

  async #sync(members: JoinGroupResponse["members"]): Promise<number> {
    const { connection, memberId, generationId } = this;
    const { groupId } = this.options;
    const protocol = { protocolType: CONSUMER_PROTOCOL_TYPE, protocolName: PROTOCOL_NAME };
    const request = { groupId, memberId, generationId, assignments: this.#shareOut(members), ...protocol };
    const synced = await connection.send(Apis.SYNC_GROUP, connection.versionOf(Apis.SYNC_GROUP), request);
    if (synced.errorCode !== ErrorCode.NONE) return synced.errorCode;
    const { assignedPartitions } = decodeAssignment(synced.assignment);
    this.owned = assignedPartitions.flatMap(({ partitions }) => partitions);
    return ErrorCode.NONE;
  }

  #shareOut(members: JoinGroupResponse["members"]) {
    const { name, partitions } = this.options.topic;
    return members.map(({ memberId }, rank) => {
      const share = partitions.filter(({ index }) => index % members.length === rank).map(({ index }) => index);
      const assignedPartitions = [{ topic: name, partitions: share }];
      return { memberId, assignment: encodeAssignment({ assignedPartitions }) };
    });
  }

  async #heartbeat(): Promise<number> {
    const { connection, memberId, generationId } = this;
    const { groupId } = this.options;
    const version = connection.versionOf(Apis.HEARTBEAT);
    return (await connection.send(Apis.HEARTBEAT, version, { groupId, memberId, generationId })).errorCode;
  }
}
