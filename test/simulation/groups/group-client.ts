import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import type { GroupServices } from "./group-decorations.ts";
import { GROUP_ID, TOPIC_ID } from "./group-names.ts";
import type { GroupProcess } from "./group-process.ts";
import type { GroupWorld } from "./group-world.ts";

export const REQUEST_MS_MAX = 30_000;
const RETRY_MS = 200;

/** After these a commit is certainly not taken. */
const REFUSALS: ReadonlySet<number> = new Set([
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.STALE_MEMBER_EPOCH,
  ErrorCode.GROUP_ID_NOT_FOUND,
]);

/** Who says it: a member at a generation, or at an epoch. */
export interface Committer {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly generation: number;
  readonly knowsMemberEpochs: boolean;
}

/** What consumers of both protocols do: they ask one process until it fails them, read on from what is committed, commit. */
export abstract class GroupClient {
  readonly name: string;
  readonly world: GroupWorld;
  readonly random: SeededRandom;
  readonly groupInstanceId: string | undefined;
  memberId = "";
  /** It has died or left for good. */
  isGone = false;
  /** It sleeps, dies or leaves, and may not know yet what has become of it. */
  isAstray = false;
  /** Where it goes on, of the partitions that it owns and has asked for. */
  readonly positions = new Map<number, number>();
  #process: GroupProcess | undefined;
  #commitCount = 0;

  constructor(world: GroupWorld, name: string, groupInstanceId: string | undefined) {
    this.world = world;
    this.name = name;
    this.groupInstanceId = groupInstanceId;
    this.random = world.fork();
  }

  abstract run(): Promise<void>;
  abstract get owned(): readonly number[];
  /** The generation or member epoch at which it owns them. */
  abstract get generation(): number;
  abstract get isSettled(): boolean;
  protected abstract get committer(): Committer;

  protected sleep(ms: number): Promise<void> {
    return this.world.scheduler.sleep(ms);
  }

  protected backOff(): Promise<void> {
    return this.sleep(RETRY_MS + this.random.below(RETRY_MS));
  }

  /** undefined: no answer. The next request goes to another process then. */
  protected async call<T>(
    work: (services: GroupServices, signal: AbortSignal) => Promise<T>,
    timeoutMs = REQUEST_MS_MAX,
  ): Promise<T | undefined> {
    const { world, random } = this;
    this.#process ??= world.anyProcess(random);
    if (this.#process === undefined) {
      await this.backOff();
      return undefined;
    }
    const answer = await world.call(this.#process, work, { random, timeoutMs });
    if (answer === undefined) this.wander();
    return answer;
  }

  protected wander(): void {
    this.#process = undefined;
  }

  /** It may stand still for a while, as slow consumers and frozen ones do. */
  protected async nap(): Promise<void> {
    const { random, world } = this;
    if (world.isHealed || !random.chance(world.profile.napRate)) return;
    this.isAstray = true;
    await this.sleep(random.below(world.profile.napMsMax));
    this.isAstray = false;
  }

  /** What may happen to a member between two beats. */
  protected async live(leave: () => Promise<void>): Promise<void> {
    const { random, world } = this;
    const { crashRate, leaveRate, wanderRate, commitRate } = world.profile;
    if (!world.isHealed) {
      if (random.chance(wanderRate)) this.wander();
      await this.nap();
      if (random.chance(crashRate)) {
        this.isGone = true;
        return;
      }
      if (random.chance(leaveRate)) {
        this.isAstray = true;
        await leave();
        this.isAstray = false;
        return;
      }
    }
    if (random.chance(commitRate)) await this.commit();
    // One that lies about in a buffer, and comes when its time may be over.
    else if (!world.isHealed) void this.commit(random.below(10_000));
  }

  /** Reads on from what is committed, for those partitions of which it does not know it. */
  protected async fetchPositions(): Promise<void> {
    const missing = this.owned.filter((partition) => !this.positions.has(partition));
    for (const partition of this.positions.keys())
      if (!this.owned.includes(partition)) this.positions.delete(partition);
    if (missing.length === 0) return;
    const { memberId, generation, knowsMemberEpochs } = this.committer;
    const asker = knowsMemberEpochs ? { memberId, memberEpoch: generation } : { memberId: undefined, memberEpoch: -1 };
    const { scheduler, truth, problems } = this.world;
    const startMs = scheduler.elapsedMs;
    const offsets = await this.call(async ({ offsets: service }, signal) => {
      const found = await service.fetch(GROUP_ID, asker, signal);
      return typeof found === "number" ? found : new Map(found.get(TOPIC_ID));
    });
    if (offsets === undefined || typeof offsets === "number" || this.generation !== generation) return;
    for (const partition of missing) {
      const committed = offsets.get(partition);
      if (!truth.committedIn(partition, startMs, scheduler.elapsedMs).has(committed?.metadata)) {
        problems.push(`checkNoLostCommit: ${this.name} hears of ${committed?.metadata} for ${partition}`);
      }
      this.positions.set(partition, committed?.offset ?? 0);
    }
  }

  /** Consumes a little and commits it. */
  async commit(lateMs = 0): Promise<void> {
    const { positions, random, world } = this;
    const { memberId, groupInstanceId, generation, knowsMemberEpochs } = this.committer;
    const partitions = this.owned.flatMap((partitionIndex) => {
      const position = positions.get(partitionIndex);
      if (position === undefined) return [];
      const offset = position + 1 + random.below(5);
      positions.set(partitionIndex, offset);
      const metadata = `${this.name}#${this.#commitCount++}`;
      return [{ partitionIndex, offset, leaderEpoch: -1, metadata, expiresAtMs: -1 }];
    });
    if (partitions.length === 0) return;
    if (lateMs > 0) await this.sleep(lateMs);
    const request = { groupId: GROUP_ID, memberId, groupInstanceId, knowsMemberEpochs };
    const error = await this.call(({ offsets }, signal) =>
      offsets.commit(
        { ...request, generationIdOrMemberEpoch: generation },
        async () => ({ clusterSeq: 1, topics: [{ topicId: TOPIC_ID, partitions }] }),
        signal,
      ),
    );
    for (const { metadata } of partitions) {
      const isTaken = world.truth.commitNames.has(metadata);
      if (error === ErrorCode.NONE && !isTaken) {
        world.problems.push(`checkNoLostCommit: ${metadata} is acknowledged and not committed`);
      }
      if (error !== undefined && REFUSALS.has(error) && isTaken) {
        world.problems.push(`checkNoLostCommit: ${metadata} is refused with ${error} and committed`);
      }
    }
  }
}
