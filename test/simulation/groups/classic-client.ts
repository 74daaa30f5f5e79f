import type { JoinResult } from "#lib/coordinator/shell/join-calls.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { bytesOf, textOf } from "../../coordinator/group-fixtures.ts";
import { type Committer, GroupClient } from "./group-client.ts";
import { GROUP_ID } from "./group-names.ts";

const { NONE, UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, FENCED_INSTANCE_ID } = ErrorCode;

interface Assigned {
  readonly generation: number;
  readonly partitions: readonly number[];
}

/** What the leader gives a member, as bytes. */
export function decodeAssigned(bytes: Uint8Array): Assigned | undefined {
  return bytes.byteLength === 0 ? undefined : JSON.parse(textOf(bytes));
}

/** A consumer of the classic protocol: joins, syncs, beats, and joins again when it is told to. */
export class ClassicClient extends GroupClient {
  #generation = -1;
  #owned: readonly number[] = [];
  #isStable = false;
  #joined: JoinResult | undefined;

  override get owned(): readonly number[] {
    return this.#owned;
  }

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

  override async run(): Promise<void> {
    while (!this.isGone) {
      if (!(await this.#join()) || !(await this.#sync())) {
        await this.backOff();
        continue;
      }
      this.#isStable = true;
      while (!this.isGone && (await this.#beat()));
      this.#isStable = false;
    }
  }

  async #join(): Promise<boolean> {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.world.profile;
    const { memberId, groupInstanceId } = this;
    const request = {
      groupId: GROUP_ID,
      memberId,
      groupInstanceId,
      clientId: this.name,
      clientHost: "/127.0.0.1",
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: bytesOf("topics") }],
      knowsMemberIdRequired: true,
      canSkipAssignment: true,
    };
    const timeoutMs = rebalanceTimeoutMs + 30_000;
    const joined = await this.call((services, signal) => services.join(request, signal), timeoutMs);
    if (joined === undefined) return false;
    if (joined.error === NONE || joined.error === MEMBER_ID_REQUIRED) this.memberId = joined.memberId;
    else this.#noteError(joined.error);
    if (joined.error !== NONE) return joined.error === MEMBER_ID_REQUIRED && this.#join();
    this.#generation = joined.generationId;
    this.#joined = joined;
    this.#owned = [];
    this.positions.clear();
    return true;
  }

  async #sync(): Promise<boolean> {
    const generation = this.#generation;
    const request = { ...this.#identity, protocolType: "consumer", protocolName: "range" };
    const timeoutMs = this.world.profile.rebalanceTimeoutMs + 30_000;
    const assignments = this.#assignments();
    // A slow leader.
    await this.nap();
    const synced = await this.call(
      ({ members }, signal) => members.sync({ ...request, assignments }, signal),
      timeoutMs,
    );
    if (synced === undefined) return false;
    if (synced.error !== NONE) {
      this.#noteError(synced.error);
      return false;
    }
    const assigned = decodeAssigned(synced.assignment);
    if (assigned !== undefined && assigned.generation > generation) {
      this.world.problems.push(`checkOneOwner: ${this.name} of ${generation} has a part of ${assigned.generation}`);
    }
    this.#owned = assigned?.partitions ?? [];
    this.world.owners.claim(this);
    return true;
  }

  /** Of a leader: the range of each member. */
  #assignments() {
    const { joined, partitionCount } = { joined: this.#joined, partitionCount: this.world.partitionCount };
    if (joined === undefined || joined.leaderId !== this.memberId || joined.skipAssignment) return [];
    const members = [...joined.members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    return members.map(({ memberId }, index) => {
      const from = Math.floor((index * partitionCount) / members.length);
      const to = Math.floor(((index + 1) * partitionCount) / members.length);
      const partitions = Array.from({ length: to - from }, (_, at) => from + at);
      return { memberId, assignment: bytesOf(JSON.stringify({ generation: this.#generation, partitions })) };
    });
  }

  /** False: it has to join again. */
  async #beat(): Promise<boolean> {
    await this.sleep(this.world.profile.heartbeatMs);
    await this.fetchPositions();
    await this.live(() => this.#leave());
    if (this.isGone || this.memberId === "") return false;
    const error = await this.call(({ members }, signal) => members.heartbeat(this.#identity, signal));
    if (error === undefined || error === NONE || error === ErrorCode.COORDINATOR_NOT_AVAILABLE) return true;
    this.#noteError(error);
    // What it has consumed it commits before it joins again.
    if (error === ErrorCode.REBALANCE_IN_PROGRESS && this.random.chance(0.7)) await this.commit();
    return false;
  }

  async #leave(): Promise<void> {
    const { memberId, groupInstanceId } = this;
    await this.call(({ members }, signal) => members.leave(GROUP_ID, [{ memberId, groupInstanceId }], signal));
    this.#forget();
    await this.sleep(this.random.below(20_000));
  }

  #noteError(error: ErrorCode): void {
    if (error === UNKNOWN_MEMBER_ID) this.#forget();
    if (error === FENCED_INSTANCE_ID) this.isGone = true;
  }

  #forget(): void {
    this.memberId = "";
    this.#generation = -1;
    this.#owned = [];
  }

  get #identity() {
    const { memberId, groupInstanceId } = this;
    return { groupId: GROUP_ID, memberId, groupInstanceId, generationId: this.#generation };
  }
}
