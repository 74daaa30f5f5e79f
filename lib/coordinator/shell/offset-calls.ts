import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import type { JournalSeq, TimestampMs, TopicId } from "#lib/util/branded.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import { journaledEpoch, journaledEpochIn } from "../consumer-reconciliation.ts";
import type { CommitOffsetsCommand } from "../group-command.ts";
import type { CommittedOffset, GroupState } from "../group-state.ts";
import { type GroupAccess, LANE } from "./group-access.ts";

export type CommitRequest = Omit<CommitOffsetsCommand, "kind" | "clusterSeq" | "topics">;

/** What is to be committed, as of one view of the cluster. */
export interface ResolvedCommit {
  readonly clusterSeq: JournalSeq;
  readonly topics: CommitOffsetsCommand["topics"];
}

export type ResolveCommit = (isStale: boolean, nowMs: TimestampMs) => Promise<ResolvedCommit>;

export type CommittedOffsets = ReadonlyMap<TopicId, ReadonlyMap<number, CommittedOffset>>;

/** OffsetFetch v9 and above. */
export interface OffsetAsker {
  /** undefined: not a member. */
  readonly memberId: string | undefined;
  readonly memberEpoch: number;
}

export const NOT_A_MEMBER: OffsetAsker = { memberId: undefined, memberEpoch: -1 };

interface Asked {
  readonly resolve: ResolveCommit;
  /** To be resolved when the commit has its place in its lane. */
  readonly placed: Deferred<void>;
}

const NOTHING: CommittedOffsets = new Map();

/** OffsetCommit and OffsetFetch. */
export class OffsetCalls {
  readonly #access: GroupAccess;
  /** Of each member with commits under way, on whatever connections, the one that was placed last. */
  readonly #lastPlaced = new Map<string, object>();

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  /** The journal service's time at which a retention of the client's own begins. */
  async nowMs(groupId: string, signal: AbortSignal): Promise<TimestampMs> {
    return (await this.#access.journalOf(groupId, signal)).nowMs();
  }

  /**
   * Commits what `resolve` says. Resolves as soon as the commit has its place before those that are asked for later; the
   * answer comes when the record stands. `resolve` is called again, to look at a newer view, when topics of its view may be
   * gone; the argument tells so.
   */
  async admit(
    request: CommitRequest,
    resolve: ResolveCommit,
    signal: AbortSignal,
  ): Promise<{ readonly answer: Promise<ErrorCode> }> {
    const placed = deferred<void>();
    const answer = this.#access.limited(signal, (limited) => this.#commit(request, { resolve, placed }, limited));
    // It may end before it has a place.
    const release = () => placed.resolve();
    void answer.then(release, release);
    await placed.promise;
    return { answer };
  }

  /** The same, waiting for the answer. */
  async commit(...call: Parameters<OffsetCalls["admit"]>): Promise<ErrorCode> {
    return (await this.admit(...call)).answer;
  }

  async #commit(request: CommitRequest, { resolve, placed }: Asked, signal: AbortSignal): Promise<ErrorCode> {
    const { groupId, memberId } = request;
    const journal = await this.#access.journalOf(groupId, signal);
    const ticket = {};
    // Other members may go first: their commits never set back what this one holds.
    const committer = `${groupId} ${memberId}`;
    try {
      for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
        const resolved = await resolve(attempt > 0, journal.nowMs());
        if (resolved.topics.length === 0) return ErrorCode.NONE;
        // Behind a later commit it would set offsets back.
        if (attempt > 0 && this.#lastPlaced.get(committer) !== ticket) break;
        this.#lastPlaced.set(committer, ticket);
        const generationIdOrMemberEpoch = committerEpoch(journal.state.groups.get(groupId), request);
        const command = { kind: "commit-offsets", ...request, ...resolved, generationIdOrMemberEpoch } as const;
        const proposed = journal.propose(command, { lane: LANE, signal });
        placed.resolve();
        const { outcome } = await proposed;
        if (outcome.kind === "stale-view") continue;
        // Another process may have told it of an epoch that was not known here before this record was folded.
        const standingEpoch = committerEpoch(journal.state.groups.get(groupId), request);
        if (outcome.kind === "refused" && standingEpoch !== generationIdOrMemberEpoch) continue;
        if (outcome.kind === "refused") return outcome.error;
        this.#access.watches.heard(groupId, memberId);
        return ErrorCode.NONE;
      }
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    } finally {
      if (this.#lastPlaced.get(committer) === ticket) this.#lastPlaced.delete(committer);
    }
  }

  /**
   * What the group has committed, as of a strong read that began after this call. Read it in the same turn. A member of a
   * consumer group may say so, and is refused if it is none or at another epoch.
   */
  fetch(groupId: string, asker: OffsetAsker, signal: AbortSignal): Promise<CommittedOffsets | ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const journal = await this.#access.journalOf(groupId, limited);
      await journal.readBarrier(limited);
      const group = journal.state.groups.get(groupId);
      const error = checkAsker(group, asker);
      return error === ErrorCode.NONE ? (group?.offsets ?? NOTHING) : error;
    });
  }
}

function checkAsker(group: GroupState | undefined, { memberId, memberEpoch }: OffsetAsker): ErrorCode {
  if ((memberId === undefined || memberId === "") && memberEpoch < 0) return ErrorCode.NONE;
  if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
  if (group.membership.type === "classic") return ErrorCode.NONE;
  const member = group.membership.members.get(memberId ?? "");
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  const isPresent = journaledEpoch(group.membership, member, memberEpoch) === member.memberEpoch;
  return isPresent ? ErrorCode.NONE : ErrorCode.STALE_MEMBER_EPOCH;
}

/** The epoch by which the fold knows the committer. */
function committerEpoch(group: GroupState | undefined, request: CommitRequest): number {
  return journaledEpochIn(group, request.memberId, request.generationIdOrMemberEpoch);
}
