import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Offset, Uuid } from "#lib/util/branded.ts";
import {
  FETCH_SESSION_IDLE_MS_MIN,
  FETCH_SESSION_PARTITIONS_MAX,
  FETCH_SESSIONS_PARTITIONS_MAX,
} from "#lib/util/limits.ts";

// Incremental fetch sessions (KIP-227): a client names its partitions once; then requests carry only what changed in the
// asking, and answers only what changed in the log. A session lives in one process; a client that loses it (another
// broker, an eviction, a restart) is told so and begins again with a full request.

/** One partition as a fetch request asks for it. Topics are named by id from version 13 on, by name before. */
export interface SessionPartition {
  readonly topicName: string;
  readonly topicId: Uuid;
  readonly partitionIndex: number;
  readonly fetchOffset: Offset;
  readonly bytesMax: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly usesTopicIds: boolean;
  readonly partitions: readonly SessionPartition[];
  readonly forgotten: readonly Pick<SessionPartition, "topicName" | "topicId" | "partitionIndex">[];
}

/** What the client knows of a partition from earlier answers of the session. */
interface Told {
  highWatermark: Offset;
  logStartOffset: Offset;
}

export interface PartitionNews {
  readonly errorCode: number;
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
  readonly recordsByteLength: number;
  /** Whether the client is told to read another replica (KIP-392). */
  readonly isRedirected: boolean;
}

/** The partitions that one fetch serves, and how its answer is cut down. */
export interface FetchPlan {
  /** For the answer; 0 if there is no session. */
  readonly sessionId: number;
  readonly partitions: readonly SessionPartition[];
  /**
   * Takes what was found, in the order of `partitions`, and says which of them belong into the answer. Partitions that
   * had records go to the end of the session's order, so that all get their turn when `max.bytes` is short.
   */
  answered(news: readonly PartitionNews[]): readonly boolean[];
}

export type FetchPlanResult =
  | { readonly kind: "plan"; readonly plan: FetchPlan }
  | { readonly kind: "refused"; readonly error: ErrorCode };

const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const SESSION_ID_BOUND = 0x7fff_ffff;

export class FetchSessions {
  readonly #sessionsMax: number;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();
  /** Of all sessions. */
  #partitionCount = 0;

  constructor(options: { readonly sessionsMax: number; readonly clock: Clock; readonly random: Random }) {
    this.#sessionsMax = options.sessionsMax;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  plan(request: FetchSessionRequest): FetchPlanResult {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      this.#remove(this.#sessions.get(sessionId));
      const created = sessionEpoch === INITIAL_EPOCH ? this.#create(request) : undefined;
      return { kind: "plan", plan: created?.fullPlan() ?? sessionlessPlan(request.partitions) };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return { kind: "refused", error: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
    if (session.nextEpoch !== sessionEpoch) return { kind: "refused", error: ErrorCode.INVALID_FETCH_SESSION_EPOCH };
    if (session.usesTopicIds !== request.usesTopicIds) {
      return { kind: "refused", error: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR };
    }
    this.#remove(session);
    session.lastUsedMs = this.#clock.monotonicMs();
    session.update(request);
    // A session without partitions is over, as on Kafka; the client begins a new one.
    if (session.size === 0) return { kind: "plan", plan: sessionlessPlan([]) };
    // A session that has grown too large is over as well; the full request that follows is served without one.
    if (!this.#hasRoomFor(session.size)) return { kind: "refused", error: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
    this.#add(session);
    return { kind: "plan", plan: session.incrementalPlan() };
  }

  #create(request: FetchSessionRequest): FetchSession | undefined {
    const { length } = request.partitions;
    const nowMs = this.#clock.monotonicMs();
    if (length === 0 || length > FETCH_SESSION_PARTITIONS_MAX) return undefined;
    while (this.#sessions.size >= this.#sessionsMax || !this.#hasRoomFor(length)) {
      if (!this.#evictIdle(nowMs)) return undefined;
    }
    let id: number;
    do id = 1 + this.#random.below(SESSION_ID_BOUND - 1);
    while (this.#sessions.has(id));
    const session = new FetchSession(id, request.usesTopicIds, nowMs);
    session.update(request);
    this.#add(session);
    return session;
  }

  /** Makes room at the cost of the session unused for longest, if it has been so for long enough. */
  #evictIdle(nowMs: number): boolean {
    const [oldest] = this.#sessions.values();
    if (oldest === undefined || nowMs - oldest.lastUsedMs < FETCH_SESSION_IDLE_MS_MIN) return false;
    this.#remove(oldest);
    return true;
  }

  #hasRoomFor(partitionCount: number): boolean {
    return (
      partitionCount <= FETCH_SESSION_PARTITIONS_MAX &&
      this.#partitionCount + partitionCount <= FETCH_SESSIONS_PARTITIONS_MAX
    );
  }

  #add(session: FetchSession): void {
    this.#sessions.set(session.id, session);
    this.#partitionCount += session.size;
  }

  /** Before anything changes in it, for its size is counted. */
  #remove(session: FetchSession | undefined): void {
    if (session === undefined || !this.#sessions.delete(session.id)) return;
    this.#partitionCount -= session.size;
  }
}

class FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  lastUsedMs: number;
  nextEpoch = 1;
  /** In the order in which partitions are served. */
  readonly #partitions = new Map<string, { asked: SessionPartition; told: Told | undefined }>();

  constructor(id: number, usesTopicIds: boolean, nowMs: number) {
    this.id = id;
    this.usesTopicIds = usesTopicIds;
    this.lastUsedMs = nowMs;
  }

  get size(): number {
    return this.#partitions.size;
  }

  update(request: FetchSessionRequest): void {
    for (const asked of request.partitions) {
      const key = this.#key(asked);
      const known = this.#partitions.get(key);
      if (known === undefined) this.#partitions.set(key, { asked, told: undefined });
      else known.asked = asked;
    }
    for (const partition of request.forgotten) this.#partitions.delete(this.#key(partition));
  }

  fullPlan(): FetchPlan {
    return this.#plan(() => true);
  }

  incrementalPlan(): FetchPlan {
    this.nextEpoch = this.nextEpoch === 0x7fff_ffff ? 1 : this.nextEpoch + 1;
    return this.#plan(isNews);
  }

  #plan(belongs: (told: Told | undefined, news: PartitionNews) => boolean): FetchPlan {
    const entries = [...this.#partitions];
    return {
      sessionId: this.id,
      partitions: entries.map(([, entry]) => entry.asked),
      answered: (news) =>
        entries.map(([key, entry], index) => {
          const found = news[index];
          if (found === undefined) return false;
          const belongsIn = belongs(entry.told, found);
          entry.told = { highWatermark: found.highWatermark, logStartOffset: found.logStartOffset };
          // An error is told each time it is found, also when the partition is otherwise as it was.
          if (found.errorCode !== ErrorCode.NONE) entry.told = undefined;
          if (found.recordsByteLength > 0 && this.#partitions.delete(key)) this.#partitions.set(key, entry);
          return belongsIn;
        }),
    };
  }

  #key(partition: Pick<SessionPartition, "topicName" | "topicId" | "partitionIndex">): string {
    return `${this.usesTopicIds ? partition.topicId : partition.topicName}:${partition.partitionIndex}`;
  }
}

function isNews(told: Told | undefined, news: PartitionNews): boolean {
  return (
    told === undefined ||
    news.errorCode !== ErrorCode.NONE ||
    news.recordsByteLength > 0 ||
    news.isRedirected ||
    news.highWatermark !== told.highWatermark ||
    news.logStartOffset !== told.logStartOffset
  );
}

function sessionlessPlan(partitions: readonly SessionPartition[]): FetchPlan {
  return { sessionId: 0, partitions, answered: (news) => news.map(() => true) };
}
