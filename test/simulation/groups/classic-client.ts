import type { JoinedMember } from "#lib/coordinator/classic-answers.ts";
import type { JoinResult } from "#lib/coordinator/shell/join-calls.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { cooperativeParts } from "./cooperative-parts.ts";
import { type Committer, GroupClient } from "./group-client.ts";
import { TOPIC_NAME } from "./group-names.ts";

const { NONE, UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, FENCED_INSTANCE_ID } = ErrorCode;
const GROUP_MS_MAX = 30_000;
/** The versions of a subscription that can say what is owned, and since which generation. */
const EAGER_VERSION = 1;
const COOPERATIVE_VERSION = 3;

/** What the leader gives a member, as bytes. */
export function partitionsIn(assignment: Uint8Array): readonly number[] {
  if (assignment.byteLength === 0) return [];
  const { assignedPartitions } = decodeAssignment(assignment);
  return assignedPartitions.flatMap(({ partitions }) => partitions).sort((a, b) => a - b);
}

/** A consumer of the classic protocol: joins, syncs, beats, and joins again when it is told to. */
export class ClassicClient extends GroupClient {
  #generation = -1;
  /** The generation in which it got what it owns. */
  #ownedGeneration = -1;
  /** What it has told that it owns when it joined. */
  #told: readonly number[] = [];
  #isStable = false;
  #joined: JoinResult | undefined;
  /** How many partitions there were when it last shared them out, as their leader; -1: it does not lead. */
  #sharedCount = -1;

  override get generation(): number {
    return this.#generation;
  }

  override get isSettled(): boolean {
    return this.#isStable;
  }

  protected override get committer(): Committer {
    const { memberId, groupInstanceId } = this;
    return { memberId, groupInstanceId, generation: this.#generation, knowsMemberEpochs: false };
  }

  get #isCooperative(): boolean {
    return this.kind === "cooperative";
  }

  get #protocolName(): string {
    return this.#isCooperative ? "cooperative-sticky" : "range";
  }

  override async run(): Promise<void> {
    while (!this.isGone) {
      if (!this.#isCooperative) this.own([]);
      if (!(await this.#join())) {
        await this.backOff();
        continue;
      }
      const synced = await this.#sync();
      if (synced === "failed") await this.backOff();
      if (synced !== "stable") continue;
      this.#isStable = true;
      while (!this.isGone && (await this.#beat()));
      this.#isStable = false;
    }
  }

  async #join(): Promise<boolean> {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.world.profile;
    const { memberId, groupInstanceId } = this;
    const request = {
      groupId: this.group.groupId,
      memberId,
      groupInstanceId,
      clientId: this.name,
      clientHost: "/127.0.0.1",
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolType: "consumer",
      protocols: [{ name: this.#protocolName, metadata: this.#subscription() }],
      knowsMemberIdRequired: true,
      canSkipAssignment: true,
    };
    const timeoutMs = rebalanceTimeoutMs + GROUP_MS_MAX;
    const joined = await this.call((services, signal) => services.join(request, signal), timeoutMs);
    if (joined === undefined) return false;
    if (joined.error === NONE || joined.error === MEMBER_ID_REQUIRED) this.memberId = joined.memberId;
    else this.#noteError(joined.error);
    if (joined.error !== NONE) return joined.error === MEMBER_ID_REQUIRED && this.#join();
    this.#noteGeneration(joined);
    this.#joined = joined;
    this.group.owners.joined(this);
    return true;
  }

  /** Who is static may sleep through a generation. Others may have had meanwhile what it owns, and nobody tells it. */
  #noteGeneration({ generationId, leaderId }: JoinResult): void {
    const isClassic = leaderId !== "";
    if (this.groupInstanceId !== undefined && isClassic && generationId > this.#generation + 1) this.own([]);
    this.#generation = generationId;
  }

  #subscription(): Uint8Array {
    const { owned } = this;
    this.#told = owned;
    const ownedPartitions = owned.length === 0 ? [] : [{ topic: TOPIC_NAME, partitions: [...owned] }];
    const version = this.#isCooperative ? COOPERATIVE_VERSION : EAGER_VERSION;
    return encodeSubscription({ topics: [TOPIC_NAME], ownedPartitions, generationId: this.#ownedGeneration }, version);
  }

  async #sync(): Promise<"failed" | "revoked" | "stable"> {
    const generation = this.#generation;
    const assignments = this.#assignments();
    const request = { ...this.#identity, protocolType: "consumer", protocolName: this.#protocolName, assignments };
    const timeoutMs = this.world.profile.rebalanceTimeoutMs + GROUP_MS_MAX;
    // A slow leader.
    await this.nap();
    const synced = await this.call(({ members }, signal) => members.sync(request, signal), timeoutMs);
    if (synced === undefined) return "failed";
    if (synced.error !== NONE) {
      this.#noteError(synced.error);
      return "failed";
    }
    const part = partitionsIn(synced.assignment);
    this.group.owners.checkPart(this, part);
    const hasToRevoke = this.#told.some((partition) => !part.includes(partition));
    if (hasToRevoke) {
      if (this.random.chance(0.7)) await this.commit();
      await this.nap();
    }
    this.own(part);
    this.#ownedGeneration = generation;
    this.group.owners.claim(this);
    // What it has given up others get when it has come without it.
    return hasToRevoke ? "revoked" : "stable";
  }

  /** Of a leader: the part of each member. */
  #assignments() {
    const { owners } = this.group;
    const joined = this.#joined;
    this.#sharedCount = -1;
    if (joined === undefined || joined.leaderId !== this.memberId) return [];
    this.#sharedCount = joined.skipAssignment ? owners.sharedCount : this.world.partitionCount;
    if (joined.skipAssignment) return [];
    const parts = this.#isCooperative ? this.#cooperativeParts(joined.members) : this.#ranges(joined.members);
    owners.shareOut(this, parts.values(), this.#sharedCount);
    return [...parts].map(([memberId, part]) => {
      const assignedPartitions = part.length === 0 ? [] : [{ topic: TOPIC_NAME, partitions: [...part] }];
      return { memberId, assignment: encodeAssignment({ assignedPartitions }, EAGER_VERSION) };
    });
  }

  #cooperativeParts(members: readonly JoinedMember[]): ReadonlyMap<string, readonly number[]> {
    const owning = members.map(({ memberId, metadata }) => {
      const { ownedPartitions, generationId } = decodeSubscription(metadata);
      const owned = ownedPartitions.flatMap(({ partitions }) => partitions);
      return { memberId, owned, ownedGeneration: generationId };
    });
    return cooperativeParts(owning, this.#sharedCount);
  }

  #ranges(members: readonly JoinedMember[]): ReadonlyMap<string, readonly number[]> {
    const memberIds = members.map(({ memberId }) => memberId).sort();
    return new Map(
      memberIds.map((memberId, index) => {
        const from = Math.floor((index * this.#sharedCount) / memberIds.length);
        const to = Math.floor(((index + 1) * this.#sharedCount) / memberIds.length);
        return [memberId, Array.from({ length: to - from }, (_, at) => from + at)];
      }),
    );
  }

  /** False: it has to join again. */
  async #beat(): Promise<boolean> {
    await this.sleep(this.world.profile.heartbeatMs);
    await this.fetchPositions();
    await this.live(() => this.#leave());
    if (this.isGone || this.memberId === "") return false;
    // A leader joins again when it sees that its topics have grown.
    if (this.#sharedCount >= 0 && this.#sharedCount !== this.world.partitionCount) return false;
    const error = await this.call(({ members }, signal) => members.heartbeat(this.#identity, signal));
    if (error === undefined || error === NONE || error === ErrorCode.COORDINATOR_NOT_AVAILABLE) return true;
    this.#noteError(error);
    // What it has consumed it commits before it joins again.
    if (error === ErrorCode.REBALANCE_IN_PROGRESS && this.random.chance(0.7)) await this.commit();
    return false;
  }

  async #leave(): Promise<void> {
    const { memberId, groupInstanceId, group } = this;
    this.own([]);
    await this.call(({ members }, signal) => members.leave(group.groupId, [{ memberId, groupInstanceId }], signal));
    this.#forget();
  }

  #noteError(error: ErrorCode): void {
    if (error === UNKNOWN_MEMBER_ID) this.#forget();
    if (error === FENCED_INSTANCE_ID) this.isGone = true;
    // It has missed a generation, and others may have got what it owns.
    if (error === ErrorCode.ILLEGAL_GENERATION) this.#lose();
  }

  #forget(): void {
    this.memberId = "";
    this.#lose();
  }

  #lose(): void {
    this.#generation = -1;
    this.#ownedGeneration = -1;
    this.own([]);
  }

  get #identity() {
    const { memberId, groupInstanceId, group } = this;
    return { groupId: group.groupId, memberId, groupInstanceId, generationId: this.#generation };
  }
}
