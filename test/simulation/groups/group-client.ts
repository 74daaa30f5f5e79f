import type { CommitTopic } from "#lib/coordinator/group-command.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import type { GroupServices } from "./group-decorations.ts";
import { AUDIT_ID, TOPIC_ID } from "./group-names.ts";
import type { GroupProcess } from "./group-process.ts";
import type { MemberKind } from "./group-profile.ts";
import type { GroupWorld } from "./group-world.ts";
import type { SimGroup } from "./sim-group.ts";

export const REQUEST_MS_MAX = 30_000;
const RETRY_MS = 200;
const AUDIT_RATE = 0.2;
/** Of each beat of a client whose time is over, that it stops. */
const STOP_RATE = 0.5;
const ABSENCE_MS_MAX = 20_000;

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

export interface ClientOptions {
  readonly world: GroupWorld;
  readonly group: SimGroup;
  readonly name: string;
  readonly kind: MemberKind;
  readonly groupInstanceId: string | undefined;
  /** Starts another one in its place while it still runs. */
  readonly succeed: () => void;
}

/** What consumers of both protocols do: they ask one process until it fails them, read on from what is committed, commit. */
export abstract class GroupClient {
  readonly name: string;
  readonly kind: MemberKind;
  readonly world: GroupWorld;
  readonly group: SimGroup;
  readonly random: SeededRandom;
  readonly groupInstanceId: string | undefined;
  memberId = "";
  /** It has died or left for good. */
  isGone = false;
  /** It sleeps, dies or leaves, and may not know yet what has become of it. */
  isAstray = false;
  /** Another one has been started in its place. */
  isSucceeded = false;
  /** Where it goes on, of the partitions that it owns and has asked for. */
  readonly positions = new Map<number, number>();
  readonly #succeed: () => void;
  #owned: readonly number[] = [];
  #process: GroupProcess | undefined;
  #commitCount = 0;

  constructor({ world, group, name, kind, groupInstanceId, succeed }: ClientOptions) {
    this.world = world;
    this.group = group;
    this.name = name;
    this.kind = kind;
    this.groupInstanceId = groupInstanceId;
    this.random = world.fork();
    this.#succeed = succeed;
  }

  abstract run(): Promise<void>;
  /** The generation or member epoch at which it owns them. */
  abstract get generation(): number;
  abstract get isSettled(): boolean;
  protected abstract get committer(): Committer;

  get owned(): readonly number[] {
    return this.#owned;
  }

  /** From now on it owns these, and knows no more of the others. */
  protected own(partitions: readonly number[]): void {
    this.#owned = partitions;
    for (const partition of this.positions.keys())
      if (!partitions.includes(partition)) this.positions.delete(partition);
  }

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
    if (answer === undefined) this.#process = undefined;
    return answer;
  }

  /** It may stand still for a while, as slow consumers and frozen ones do. */
  protected async nap(): Promise<void> {
    const { random, world, group } = this;
    if (world.isHealed || !random.chance(group.profile.napRate)) return;
    this.isAstray = true;
    await this.sleep(random.below(world.profile.napMsMax));
    this.isAstray = false;
  }

  /** What may happen to a member between two beats. */
  protected async live(leave: () => Promise<void>): Promise<void> {
    const { random, world, group } = this;
    if (!world.isHealed && (await this.#haveTrouble(leave))) return;
    if (random.chance(group.profile.commitRate)) await this.commit();
    // One that lies about in a buffer, and comes when its time may be over.
    else if (!world.isHealed) void this.commit(random.below(10_000));
  }

  /** True if it is no member any more, or not the one that it was. */
  async #haveTrouble(leave: () => Promise<void>): Promise<boolean> {
    const { random, world, group } = this;
    const { crashRate, leaveRate, wanderRate, hangRate } = group.profile;
    if (random.chance(wanderRate)) this.#process = undefined;
    await this.nap();
    this.isAstray = true;
    const { elapsedMs } = world.scheduler;
    const isOver = group.isQuietAt(elapsedMs) || group.kindAt(elapsedMs) !== this.kind;
    const isGoing = isOver && random.chance(STOP_RATE);
    if (random.chance(crashRate)) this.isGone = true;
    else if (this.groupInstanceId !== undefined && random.chance(hangRate)) await this.#hang();
    else if (isGoing || random.chance(leaveRate)) {
      // Static members often stop without a word, for they come back.
      const isSilent = isGoing && this.groupInstanceId !== undefined && random.chance(0.5);
      if (!isSilent) await leave();
      this.isGone = isGoing;
      if (!isGoing) await this.sleep(random.below(ABSENCE_MS_MAX));
    } else {
      this.isAstray = false;
      return false;
    }
    this.isAstray = this.isGone;
    return true;
  }

  /** It stands still until somebody starts another one under its instance id. Then it goes on with what it was about. */
  async #hang(): Promise<void> {
    this.isSucceeded = true;
    this.#succeed();
    await this.sleep(this.random.below(this.world.profile.napMsMax));
    await this.commit();
    this.isGone = true;
  }

  /** Reads on from what is committed, for those partitions of which it does not know it. */
  protected async fetchPositions(): Promise<void> {
    const missing = this.owned.filter((partition) => !this.positions.has(partition));
    if (missing.length === 0) return;
    const { memberId, generation, knowsMemberEpochs } = this.committer;
    const asker = knowsMemberEpochs ? { memberId, memberEpoch: generation } : { memberId: undefined, memberEpoch: -1 };
    const { scheduler } = this.world;
    const startMs = scheduler.elapsedMs;
    const offsets = await this.call(async ({ offsets: service }, signal) => {
      const found = await service.fetch(this.group.groupId, asker, signal);
      return typeof found === "number" ? found : new Map([...found].map(([topicId, each]) => [topicId, new Map(each)]));
    });
    if (offsets === undefined || typeof offsets === "number" || this.generation !== generation) return;
    const check = (topicId: TopicId, partition: number): number => {
      const committed = offsets.get(topicId)?.get(partition);
      const names = this.group.truth.committedIn(topicId, partition, { startMs, endMs: scheduler.elapsedMs });
      if (!names.has(committed?.metadata)) {
        this.world.problems.push(`checkNoLostCommit: ${this.name} hears of ${committed?.metadata} for ${partition}`);
      }
      return committed?.offset ?? 0;
    };
    check(AUDIT_ID, 0);
    for (const partition of missing) {
      const offset = check(TOPIC_ID, partition);
      if (this.owned.includes(partition)) this.positions.set(partition, offset);
    }
  }

  /** Consumes a little and commits it. */
  async commit(lateMs = 0): Promise<void> {
    const { memberId, groupInstanceId, generation, knowsMemberEpochs } = this.committer;
    const topics = this.#consumed();
    if (topics.length === 0) return;
    if (lateMs > 0) await this.sleep(lateMs);
    const { groupId, truth } = this.group;
    const request = { groupId, memberId, groupInstanceId, knowsMemberEpochs, generationIdOrMemberEpoch: generation };
    const error = await this.call(({ offsets }, signal) =>
      offsets.commit(request, async () => ({ clusterSeq: 1, topics }), signal),
    );
    for (const { metadata } of topics.flatMap(({ partitions }) => partitions)) {
      const isTaken = truth.commitNames.has(metadata);
      if (error === ErrorCode.NONE && !isTaken) {
        this.world.problems.push(`checkNoLostCommit: ${metadata} is acknowledged and not committed`);
      }
      if (error !== undefined && REFUSALS.has(error) && isTaken) {
        this.world.problems.push(`checkNoLostCommit: ${metadata} is refused with ${error} and committed`);
      }
    }
  }

  #consumed(): readonly CommitTopic[] {
    const { positions, random } = this;
    const partitions = this.owned.flatMap((partitionIndex) => {
      const position = positions.get(partitionIndex);
      if (position === undefined) return [];
      const offset = position + 1 + random.below(5);
      positions.set(partitionIndex, offset);
      return [this.#commitOf(partitionIndex, offset)];
    });
    if (partitions.length === 0) return [];
    const read = { topicId: TOPIC_ID, partitions };
    return random.chance(AUDIT_RATE) ? [read, { topicId: AUDIT_ID, partitions: [this.#commitOf(0, 0)] }] : [read];
  }

  #commitOf(partitionIndex: number, offset: number) {
    const metadata = `${this.name}#${this.#commitCount++}`;
    return { partitionIndex, offset, leaderEpoch: -1, metadata, expiresAtMs: -1 };
  }
}
