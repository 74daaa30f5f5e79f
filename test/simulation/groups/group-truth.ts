import type { CommitOffsetsCommand, GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { CommittedOffset, GroupState } from "#lib/coordinator/group-state.ts";
import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import type { Scheduler } from "../scheduler.ts";
import { TOPIC_ID } from "./group-names.ts";

/** A commit that was taken, or an offset that was forgotten. */
export interface TrueCommit {
  /** The metadata that the committer gave it; undefined: nothing is committed any more. */
  readonly name: string | undefined;
  readonly atMs: number;
  readonly offset: number;
  readonly memberId: string;
  readonly generation: number;
  /** In a consumer group: whether the committer held the partition. Nobody's reading begins where others' commits are. */
  readonly isHolders: boolean;
}

export interface GroupTruthOptions {
  readonly scheduler: Scheduler;
  readonly problems: string[];
  readonly consumerSessionMs: number;
  readonly retentionMs: number;
  /** When a record came to stand. */
  readonly recordAtMs: (seq: JournalSeq) => number;
}

interface CommitPlace {
  readonly memberId: string;
  readonly topicId: TopicId;
  readonly partitionIndex: number;
}

/** What a command that is taken must agree with: the group as it was before. */
interface Before {
  readonly createdSeq: JournalSeq;
  readonly memberCount: number;
  /** Of the member that the command names; undefined if it is none. */
  readonly generation: number | undefined;
  readonly seenSeq: JournalSeq;
  readonly sessionTimeoutMs: number;
  /** The group epoch of a consumer group. */
  readonly groupEpoch: number;
  readonly emptySinceMs: number | undefined;
  /** Of commands that forget some. */
  readonly offsets: readonly [TopicId, number, CommittedOffset][];
}

/** What is true of one group in every instant, and what may never be seen there. */
export class GroupTruth {
  readonly groupId: string;
  /** By topic and partition, in order. */
  readonly commits = new Map<string, TrueCommit[]>();
  readonly commitNames = new Set<string>();
  /** How often it has begun anew, with generations or epochs from the beginning. */
  incarnation = 0;
  group: GroupState | undefined;
  readonly #options: GroupTruthOptions;
  readonly #incarnations = new Map<string, number>();
  /** The incarnation in which each member came to each of its epochs first; generations of classic members are no matter. */
  readonly #firstAt = new Map<string, number>();
  /** Which member of a consumer group holds each partition, be it to give up, and since which epoch. */
  #held = new Map<number, { readonly memberId: string; readonly epoch: number }>();
  /** What a consumer group has given its classic members, by member and epoch. They may hear of it when it is no more. */
  readonly #assigned = new Map<string, Set<string>>();
  #highest = 0;

  constructor(groupId: string, options: GroupTruthOptions) {
    this.groupId = groupId;
    this.#options = options;
  }

  /** The generation, or the group epoch. */
  get generation(): number {
    const membership = this.group?.membership;
    return membership?.type === "classic" ? membership.generationId : (membership?.groupEpoch ?? 0);
  }

  /** The incarnation in which it was a member last: member ids mean one member, but generations begin anew. */
  incarnationOf(memberId: string): number {
    return this.#incarnations.get(memberId) ?? this.incarnation;
  }

  /** Whether it has been a classic member of a consumer group that had just these partitions at this epoch. */
  hasAssigned(memberId: string, epoch: number, partitions: readonly number[]): boolean {
    const known = this.#assigned.get(`${memberId} at ${this.incarnationOf(memberId)}/${epoch}`);
    return known?.has(`${partitions}`) === true;
  }

  /** To be asked before the fold takes a command that names the group. */
  before(group: GroupState | undefined, command: GroupCommand): Before {
    const membership = group?.membership;
    const memberId = "memberId" in command ? command.memberId : "";
    const found = {
      createdSeq: group?.createdSeq ?? 0,
      memberCount: membership?.members.size ?? 0,
      offsets: command.kind === "expire-offsets" ? offsetsOf(group) : [],
      // What only ever held offsets keeps each from its commit on.
      emptySinceMs:
        membership?.members.size === 0 && (membership.type === "consumer" || membership.protocolType !== "")
          ? group?.stateSinceMs
          : undefined,
    };
    if (membership?.type === "classic") {
      const member = membership.members.get(memberId);
      const { seenSeq = 0, sessionTimeoutMs = 0 } = member ?? membership.pendingMembers.get(memberId) ?? {};
      const generation = member === undefined ? undefined : membership.generationId;
      return { ...found, generation, groupEpoch: 0, seenSeq, sessionTimeoutMs };
    }
    const member = membership?.members.get(memberId);
    const sessionTimeoutMs = member?.classic?.sessionTimeoutMs ?? this.#options.consumerSessionMs;
    const { memberEpoch: generation, seenSeq = 0 } = member ?? {};
    return { ...found, generation, groupEpoch: membership?.groupEpoch ?? 0, seenSeq, sessionTimeoutMs };
  }

  /** To be told what became of it. */
  after(group: GroupState | undefined, command: GroupCommand, outcome: GroupOutcome, before: Before): void {
    this.group = group;
    if (outcome.kind === "done") this.#taken(command, before);
    this.#noteGeneration(before);
    this.#checkOwners();
    this.#noteAssigned();
  }

  /** What was committed for a partition at some instant of a span; undefined stands for nothing. */
  committedIn(topicId: TopicId, partitionIndex: number, span: Span): ReadonlySet<string | undefined> {
    const names = new Set<string | undefined>();
    let before: string | undefined;
    for (const { name, atMs } of this.commits.get(keyOf(topicId, partitionIndex)) ?? []) {
      if (atMs <= span.startMs) before = name;
      else if (atMs <= span.endMs) names.add(name);
    }
    return names.add(before);
  }

  /** What the group holds is what was committed last, no more and no less. */
  checkOffsets(): readonly string[] {
    const standing = new Map(
      offsetsOf(this.group).map(([topicId, partition, { metadata }]) => [keyOf(topicId, partition), metadata]),
    );
    const keys = new Set([...this.commits.keys(), ...standing.keys()]);
    return [...keys].flatMap((key) => {
      const name = this.commits.get(key)?.at(-1)?.name;
      const found = standing.get(key);
      return found === name ? [] : [`checkNoLostCommit: ${this.groupId} holds ${found} for ${key}, not ${name}`];
    });
  }

  #report(problem: string): void {
    this.#options.problems.push(problem);
  }

  #taken(command: GroupCommand, before: Before): void {
    if (command.kind === "expire-member") {
      // No clock that measures the session may run before the last sign of life has come to stand.
      const aliveMs = this.#options.scheduler.elapsedMs - this.#options.recordAtMs(before.seenSeq);
      if (aliveMs < before.sessionTimeoutMs - 1) {
        this.#report(`checkSession: ${command.memberId} expired ${aliveMs.toFixed(0)} ms after its last sign of life`);
      }
    }
    if (command.kind === "set-target-assignment" && command.groupEpoch !== before.groupEpoch) {
      this.#report(`checkTarget: the target of ${command.groupEpoch} was taken at ${before.groupEpoch}`);
    }
    if (command.kind === "commit-offsets") this.#noteCommits(command, before);
    if (command.kind === "expire-offsets") this.#noteForgotten(before);
  }

  #noteCommits(command: CommitOffsetsCommand, before: Before): void {
    const { memberId, generationIdOrMemberEpoch: generation } = command;
    const isPresent = generation === before.generation;
    const isAllowed = generation < 0 ? before.memberCount === 0 : isPresent || this.#hasHeldAll(command);
    if (!isAllowed) {
      this.#report(`checkZombie: ${memberId} of ${generation} commits, and is at ${before.generation} if anywhere`);
    }
    const atMs = this.#options.scheduler.elapsedMs;
    for (const { topicId, partitions } of command.topics) {
      for (const { partitionIndex, offset, metadata: name } of partitions) {
        const isHolders = this.#isHolder(memberId, topicId, partitionIndex);
        const commit = { name, atMs, offset, memberId, generation, isHolders };
        if (this.commitNames.has(name)) this.#report(`checkNoRetreat: ${name} is committed twice`);
        this.commitNames.add(name);
        if (this.#isSuperseded({ memberId, topicId, partitionIndex }, commit)) continue;
        const last = this.#note(keyOf(topicId, partitionIndex), commit);
        if (topicId === TOPIC_ID) this.#checkNoRetreat(commit, last);
      }
    }
  }

  /** Consumers may be late, at an epoch that they have left, for what they have held since without a break (KIP-1251). */
  #hasHeldAll({ memberId, generationIdOrMemberEpoch: epoch, topics }: CommitOffsetsCommand): boolean {
    return topics.every(({ topicId, partitions }) =>
      partitions.every(({ partitionIndex }) => {
        const held = topicId === TOPIC_ID ? this.#held.get(partitionIndex) : undefined;
        return held?.memberId === memberId && held.epoch <= epoch;
      }),
    );
  }

  #isHolder(memberId: string, topicId: TopicId, partitionIndex: number): boolean {
    if (this.group?.membership.type !== "consumer") return true;
    return topicId === TOPIC_ID && this.#held.get(partitionIndex)?.memberId === memberId;
  }

  /**
   * In a consumer group a commit for what another member holds, or nobody any more, may come to stand before the one that is
   * there. It changes nothing then, and it must have been for less.
   */
  #isSuperseded({ memberId, topicId, partitionIndex }: CommitPlace, { name, offset }: TrueCommit): boolean {
    const standing = this.group?.offsets.get(topicId)?.get(partitionIndex);
    if (standing === undefined || standing.metadata === name) return false;
    const isOwn = this.#isHolder(memberId, topicId, partitionIndex);
    if (isOwn || offset >= standing.offset)
      this.#report(`checkNoLostCommit: ${name} is taken, and ${standing.metadata} stands`);
    return true;
  }

  /**
   * What a member sent itself, and gave up, may come late; nobody else's may. Who holds a partition goes on from its own
   * reading, whatever one that does not hold it has committed meanwhile. If it was at this epoch in an earlier
   * incarnation too, nothing tells a commit of then from one of now.
   */
  #checkNoRetreat({ name, memberId, generation, offset }: TrueCommit, last: TrueCommit | undefined): void {
    if (last?.name === undefined || offset >= last.offset || last.memberId === memberId || !last.isHolders) return;
    const firstAt = this.#firstAt.get(`${memberId} at ${generation}`) ?? this.incarnation;
    if (firstAt < this.incarnation) return;
    this.#report(`checkNoRetreat: ${this.groupId} goes from ${last.name} back to ${name}`);
  }

  /** Offsets are forgotten when nobody has needed them for long enough, and not a moment before. */
  #noteForgotten(before: Before): void {
    const { scheduler, retentionMs } = this.#options;
    const atMs = scheduler.elapsedMs;
    for (const [topicId, partitionIndex, { committedAtMs, metadata, offset }] of before.offsets) {
      if (this.group?.offsets.get(topicId)?.has(partitionIndex) === true) continue;
      this.#note(keyOf(topicId, partitionIndex), {
        name: undefined,
        atMs,
        offset,
        memberId: "",
        generation: -1,
        isHolders: true,
      });
      const keptMs = scheduler.nowMs - (before.emptySinceMs ?? committedAtMs);
      if (keptMs < retentionMs - 1) this.#report(`checkRetention: ${metadata} is forgotten after ${keptMs} ms`);
      if (before.memberCount > 0 && topicId === TOPIC_ID) {
        this.#report(`checkRetention: ${metadata} is forgotten although it is read`);
      }
    }
  }

  /** Returns what stood there before. */
  #note(key: string, commit: TrueCommit): TrueCommit | undefined {
    const known = this.commits.get(key);
    if (known === undefined) this.commits.set(key, [commit]);
    const last = known?.at(-1);
    known?.push(commit);
    return last;
  }

  #noteGeneration(before: Before): void {
    const { generation } = this;
    const isAnew = before.memberCount === 0 && (this.group?.createdSeq ?? 0) !== before.createdSeq;
    if (isAnew) this.incarnation++;
    else if (generation < this.#highest) this.#report("checkOneOwner: the generation goes back");
    this.#highest = generation;
    const membership = this.group?.membership;
    for (const memberId of membership?.members.keys() ?? []) this.#incarnations.set(memberId, this.incarnation);
    if (membership?.type !== "consumer") return;
    for (const { memberId, memberEpoch } of membership.members.values()) {
      const key = `${memberId} at ${memberEpoch}`;
      if (!this.#firstAt.has(key)) this.#firstAt.set(key, this.incarnation);
    }
  }

  /** In a consumer group everything has one owner, be it to give up. */
  #checkOwners(): void {
    const membership = this.group?.membership;
    const before = this.#held;
    this.#held = new Map();
    if (membership?.type !== "consumer") return;
    for (const { memberId, memberEpoch: epoch, assigned, pendingRevocation } of membership.members.values()) {
      for (const partition of [assigned, pendingRevocation].flatMap((held) => held.get(TOPIC_ID) ?? [])) {
        const owner = this.#held.get(partition)?.memberId;
        if (owner !== undefined) this.#report(`checkOneOwner: ${partition} is ${owner}'s and ${memberId}'s`);
        const known = before.get(partition);
        this.#held.set(partition, known?.memberId === memberId ? known : { memberId, epoch });
      }
    }
  }

  #noteAssigned(): void {
    const membership = this.group?.membership;
    if (membership?.type !== "consumer") return;
    for (const { memberId, memberEpoch, assigned, classic } of membership.members.values()) {
      if (classic === undefined) continue;
      const key = `${memberId} at ${this.incarnation}/${memberEpoch}`;
      const known = this.#assigned.get(key) ?? new Set();
      this.#assigned.set(key, known.add(`${assigned.get(TOPIC_ID) ?? []}`));
    }
  }
}

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

function keyOf(topicId: TopicId, partitionIndex: number): string {
  return `${partitionIndex} of ${topicId}`;
}

function offsetsOf(group: GroupState | undefined): [TopicId, number, CommittedOffset][] {
  return [...(group?.offsets ?? [])].flatMap(([topicId, offsets]) =>
    [...offsets].map(([partition, offset]): [TopicId, number, CommittedOffset] => [topicId, partition, offset]),
  );
}
