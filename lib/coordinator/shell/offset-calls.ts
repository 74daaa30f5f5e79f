import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { JournalSeq, TimestampMs, TopicId } from "#lib/util/branded.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import type { CommitOffsetsCommand } from "../group-command.ts";
import type { CommittedOffset, GroupState } from "../group-state.ts";
import type { GroupAccess } from "./group-access.ts";

export type CommitRequest = Omit<CommitOffsetsCommand, "kind" | "clusterSeq" | "topics">;

/** What is to be committed, as of one view of the cluster. */
export interface ResolvedCommit {
  readonly clusterSeq: JournalSeq;
  readonly topics: CommitOffsetsCommand["topics"];
}

export type CommittedOffsets = ReadonlyMap<TopicId, ReadonlyMap<number, CommittedOffset>>;

/** OffsetFetch v9 and above. */
export interface OffsetAsker {
  /** undefined: not a member. */
  readonly memberId: string | undefined;
  readonly memberEpoch: number;
}

export const NOT_A_MEMBER: OffsetAsker = { memberId: undefined, memberEpoch: -1 };

const NOTHING: CommittedOffsets = new Map();

/** OffsetCommit and OffsetFetch. */
export class OffsetCalls {
  readonly #access: GroupAccess;

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  /** The journal service's time at which a retention of the client's own begins. */
  async nowMs(groupId: string, signal: AbortSignal): Promise<TimestampMs> {
    return (await this.#access.journalOf(groupId, signal)).nowMs();
  }

  /**
   * Commits what `resolve` says. It is called again, to look at a newer view, when topics of its view may be gone; the
   * argument tells so.
   */
  commit(
    request: CommitRequest,
    resolve: (isStale: boolean, nowMs: TimestampMs) => Promise<ResolvedCommit>,
    signal: AbortSignal,
  ): Promise<ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const journal = await this.#access.journalOf(request.groupId, limited);
      for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
        const resolved = await resolve(attempt > 0, journal.nowMs());
        if (resolved.topics.length === 0) return ErrorCode.NONE;
        const outcome = await this.#access.propose({ kind: "commit-offsets", ...request, ...resolved }, limited);
        if (outcome.kind === "stale-view") continue;
        if (outcome.kind === "refused") return outcome.error;
        this.#access.watches.heard(request.groupId, request.memberId);
        return ErrorCode.NONE;
      }
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    });
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
  return member.memberEpoch === memberEpoch ? ErrorCode.NONE : ErrorCode.STALE_MEMBER_EPOCH;
}
