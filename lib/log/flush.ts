import type { Committed, LaneSlot } from "#lib/journal/replicated-state-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { writeAheadKey } from "#lib/storage/object-keys.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { SegmentMemory } from "#lib/storage/segment-memory.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import { transferMs } from "#lib/storage/transfer-time.ts";
import { sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { defined } from "#lib/util/assert.ts";
import { type FlushId, flushIdFromBytes, type TopicId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { STORE_SUSPECT_MS } from "#lib/util/limits.ts";
import type { QueuedBatch } from "./append-request.ts";
import { commandPart, type PartRun, positionsOf, runsWithout } from "./flush-command.ts";
import type { FlushLanes, LaneTurn, Proposed } from "./flush-lanes.ts";
import { copiesToWaitFor, type FlushGroup, type FlushPart, type FlushSegment, laneOf } from "./flush-plan.ts";
import { hasEnough, onFewerCopiesNeeded, tryNeeded } from "./flush-stores.ts";
import type { AppendAnswer } from "./log-api.ts";
import type { AppendSource, BatchOutcome, LogCommand, LogOutcome } from "./log-command.ts";
import { needsOpening, type Opener } from "./opener.ts";
import type { RecentBytes } from "./recent-bytes.ts";
import { HELD_BACK, type SequenceGaps } from "./sequence-gaps.ts";

export interface FlushPorts {
  readonly writer: ReplicatedWriter;
  /** Given where some stores may fail while others do not. */
  readonly health: StoreHealth | undefined;
  readonly opener: Opener;
  readonly recent: RecentBytes;
  /** What is uploaded lies here, and stays here for tail readers. */
  readonly memory: SegmentMemory;
  readonly gaps: SequenceGaps;
  readonly lanes: FlushLanes;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Of an object that is written now (upload-epoch.ts). */
  readonly uploadEpoch: () => number;
  /** Drawn at the process's start; part of its objects' keys. */
  readonly writerId: string;
  /** From the closing of a flush to its answers. */
  readonly timeoutMs: number;
  /** Aborts when the process stops. */
  readonly signal: AbortSignal;
}

export interface FlushContent {
  readonly segments: readonly FlushSegment[];
  readonly isInlined: boolean;
}

/** A segment under its id, with its places in the lanes. */
interface ReservedSegment {
  readonly flushId: FlushId;
  readonly segment: FlushSegment;
  readonly groups: readonly ReservedGroup[];
}

interface Run {
  readonly uploaded: Promise<void>;
  readonly done: Promise<void>;
}

interface ReservedGroup {
  readonly group: FlushGroup;
  readonly slot: LaneSlot<LogCommand, LogOutcome>;
  readonly turn: LaneTurn;
  /** The topics of the group that are gone. Runs beside the upload; never rejects. */
  readonly opening: Promise<Opening>;
}

interface ProposedGroup {
  readonly parts: readonly FlushPart[];
  readonly proposed: Proposed;
  readonly committed: Promise<Committed<LogOutcome>>;
}

interface GroupContent {
  readonly flushId: FlushId;
  readonly source: AppendSource;
  readonly positions: readonly number[];
}

/** The flush took so long that its object has been given up meanwhile. Clients send its batches again. */
class RetiredObjectError extends LogError {
  override readonly name = "RetiredObjectError";
  override readonly kind = "conflict";

  constructor(floor: number) {
    super(`objects up to upload epoch ${floor} are not taken any more`);
  }
}

type Opening = { readonly gone: ReadonlySet<TopicId> } | { readonly error: unknown };

/**
 * One closed buffer on its way: uploaded, proposed to each of its lanes, answered. Its places in the lanes are taken in
 * the constructor, so flushes are committed in the order in which they were closed, however their uploads end.
 */
export class Flush {
  /** Resolves when nothing is being uploaded any more but what tries a suspect store. */
  readonly uploaded: Promise<void>;
  /** Resolves when every batch is answered. */
  readonly done: Promise<void>;
  readonly #ports: FlushPorts;

  constructor({ segments, isInlined }: FlushContent, ports: FlushPorts) {
    this.#ports = ports;
    const limit = timeLimit(ports.clock, ports.timeoutMs, ports.signal);
    const runs = segments.map((segment) => {
      const groups = segment.groups.map((group) => this.#reserve(group, limit.signal));
      // One a segment: two objects under one key would be taken for one.
      const flushId = flushIdFromBytes(ports.random.bytes(16));
      const content = { flushId, segment, groups };
      return isInlined ? this.#inline(content, limit.signal) : this.#write(content, limit.signal);
    });
    this.uploaded = Promise.all(runs.map((run) => run.uploaded)).then(() => {});
    this.done = Promise.all(runs.map((run) => run.done)).then(() => limit[Symbol.dispose]());
  }

  #reserve(group: FlushGroup, signal: AbortSignal): ReservedGroup {
    const lane = laneOf(group.stores);
    const slot = group.journal.reserve(lane);
    const turn = this.#ports.lanes.takeTurn(`${group.journalNumber}:${lane}`);
    return { group, slot, turn, opening: this.#open(group, signal) };
  }

  #inline({ flushId, groups }: ReservedSegment, signal: AbortSignal): Run {
    const done = Promise.all(
      groups.map((reserved) => {
        const { parts } = reserved.group;
        const bytes = Buffer.concat(parts.flatMap((part) => part.batches.map((batch) => batch.append.bytes)));
        return this.#propose(
          reserved,
          { flushId, source: { kind: "inline", bytes }, positions: positionsOf(parts) },
          signal,
        );
      }),
    ).then(() => {});
    // A place among the uploads is held until the commit: otherwise every turn would propose a command of its own.
    return { uploaded: done, done };
  }

  #write({ flushId, segment, groups }: ReservedSegment, signal: AbortSignal): Run {
    // Nobody waits for a store that has kept others waiting already.
    const isOnTrial = !this.#hasEnoughStores(segment);
    const upload = this.#upload(flushId, segment, signal);
    const done = upload.then(
      async ({ source, positions }) => {
        let from = 0;
        await Promise.all(
          groups.map((reserved) => {
            const own = positions.slice(from, from + reserved.group.parts.length);
            from += own.length;
            return this.#propose(reserved, { flushId, source, positions: own }, signal);
          }),
        );
      },
      (error: unknown) => {
        const answer = this.#answerOf(error);
        for (const { group, slot, turn } of groups) {
          for (const part of group.parts) settleAll(part.batches, answer);
          slot.release();
          void turn.run(() => {});
        }
      },
    );
    const ended = upload.then(
      () => {},
      () => {},
    );
    return { uploaded: isOnTrial ? Promise.resolve() : ended, done };
  }

  #hasEnoughStores(segment: FlushSegment): boolean {
    const { health } = this.#ports;
    return health === undefined || hasEnough(segment.stores, copiesToWaitFor(segment), health);
  }

  async #upload(
    flushId: FlushId,
    segment: FlushSegment,
    signal: AbortSignal,
  ): Promise<{ source: AppendSource; positions: readonly number[] }> {
    const { clock, writer, writerId, recent, memory, health } = this.#ports;
    const needed = copiesToWaitFor(segment);
    using trials = health === undefined ? undefined : tryNeeded(segment.stores, needed, health);
    const parts = segment.groups.flatMap((group) =>
      group.parts.map(({ topic, partitionIndex, batches, byteLength }) => ({
        topicId: topic.topicId,
        partitionIndex,
        byteLength,
        batches: batches.map((batch) => batch.append.bytes),
      })),
    );
    const sealed = sealWriteAheadSegment({ flushId, parts });
    const key = writeAheadKey({ uploadEpoch: this.#ports.uploadEpoch(), writerId, flushId });
    const { positions, byteLength } = sealed;
    // One copy, in this turn: what the batches lie in belongs to their requests, which may end before the last upload.
    const held = memory.gather(sealed.chunks, byteLength);
    const bytes = held?.bytes ?? Buffer.concat(sealed.chunks, byteLength);
    held?.retain();
    // Who tries a store keeps others from trying it, so a try has less time than a flush.
    using limit =
      trials === undefined ? undefined : timeLimit(clock, STORE_SUSPECT_MS + transferMs(byteLength), signal);
    try {
      const copies = await writer.put(
        {
          key,
          chunks: [bytes],
          placement: segment.stores,
          needed,
          ...(needed > 1 ? { onFewerNeeded: (listener) => onFewerCopiesNeeded(segment, listener) } : {}),
          onUnused: () => held?.release(),
        },
        limit?.signal ?? signal,
      );
      recent.addObject(
        key,
        parts.map((part, index) => {
          const position = defined(positions[index]);
          const chunks = [bytes.subarray(position, position + part.byteLength)];
          return { position, chunks, byteLength: part.byteLength };
        }),
        held,
      );
      return { source: { kind: "object", key, byteLength, copies }, positions };
    } finally {
      held?.release();
    }
  }

  /** Opens what the local fold does not know as open. */
  async #open(group: FlushGroup, signal: AbortSignal): Promise<Opening> {
    const { journal, journalNumber, parts } = group;
    const missing = new Map(
      parts
        .filter((part) => needsOpening(journal.state, part.topic, part.partitionIndex))
        .map((part) => [part.topic.topicId, part.topic]),
    );
    const gone = new Set<TopicId>();
    try {
      await Promise.all(
        [...missing.values()].map(async (topic) => {
          const isThere = await this.#ports.opener.open(journal, journalNumber, topic, signal);
          if (!isThere) gone.add(topic.topicId);
        }),
      );
    } catch (error) {
      return { error };
    }
    return { gone };
  }

  async #propose(reserved: ReservedGroup, content: GroupContent, signal: AbortSignal): Promise<void> {
    const { group, slot, turn } = reserved;
    const opening = await reserved.opening;
    let begun: ProposedGroup | undefined;
    try {
      begun = await turn.run(() => this.#begin(reserved, { opening, content }, signal));
      if (begun === undefined) return;
      const { outcome } = await begun.committed;
      // In the same turn: what is behind it in its record is answered next.
      if (outcome.kind === "retired") this.#refuse(group, new RetiredObjectError(outcome.floor));
      else await this.#answer(begun.parts, outcome, signal);
    } catch (error) {
      if (begun === undefined) slot.release();
      this.#refuse(group, error);
    } finally {
      begun?.proposed[Symbol.dispose]();
    }
  }

  #refuse(group: FlushGroup, error: unknown): void {
    const answer = this.#answerOf(error);
    for (const part of group.parts) settleAll(part.batches, answer);
    this.#ports.lanes.withdrawHeldBack();
  }

  /** Proposes what may still be committed, in its lane's order: whatever stood before it has been proposed or has failed. */
  #begin(
    { group, slot }: ReservedGroup,
    { opening, content }: { readonly opening: Opening; readonly content: GroupContent },
    signal: AbortSignal,
  ): ProposedGroup | undefined {
    const { flushId, source, positions } = content;
    const runs: PartRun[] = [];
    if (signal.aborted || "error" in opening) {
      const answer = this.#answerOf("error" in opening ? opening.error : signal.reason);
      for (const part of group.parts) settleAll(part.batches, answer);
    } else {
      for (const [index, part] of group.parts.entries()) {
        if (opening.gone.has(part.topic.topicId)) settleAll(part.batches, UNKNOWN_PARTITION);
        else runs.push(...this.#withoutHeldBack({ part, position: defined(positions[index]) }));
      }
    }
    if (runs.length === 0) {
      slot.release();
      return undefined;
    }
    const live = runs.map(({ part }) => part);
    const parts = runs.map(({ part, position }) => commandPart(part, position));
    const command: LogCommand = { kind: "append", flushId, source, parts };
    const proposed = this.#ports.lanes.propose(live, signal);
    return { parts: live, proposed, committed: slot.propose(command, proposed.signal) };
  }

  #withoutHeldBack(run: PartRun): readonly PartRun[] {
    const { gaps } = this.#ports;
    const heldBack = gaps.count === 0 ? [] : run.part.batches.filter((batch) => gaps.holdsBack(batch));
    if (heldBack.length === 0) return [run];
    settleAll(heldBack, HELD_BACK);
    return runsWithout(run, ({ stage }) => stage === "settled");
  }

  async #answer(parts: readonly FlushPart[], outcome: LogOutcome, signal: AbortSignal): Promise<void> {
    const notOpen: FlushPart[] = [];
    for (const [index, part] of parts.entries()) {
      const outcomes = outcome.kind === "appended" ? defined(outcome.parts[index]) : [];
      if (isNotOpen(outcomes[0])) {
        notOpen.push(part);
        // At once: what is behind it in its lane must not find the partition opened meanwhile.
        for (const batch of part.batches) this.#ports.gaps.noteFailure(batch);
      } else
        for (const [at, batch] of part.batches.entries())
          batch.settle(this.#inOrder(batch, defined(outcomes[at], "outcome of a batch")));
    }
    if (notOpen.length > 0) this.#ports.lanes.withdrawHeldBack();
    // Dropped since the local fold said that it was open. Tried again it would overtake what is behind it in its lane.
    await Promise.all(notOpen.map((part) => this.#answerNotOpen(part, signal)));
  }

  /** The fold refuses as a gap what is behind a batch that was just retired: its client is to send both again. */
  #inOrder(batch: QueuedBatch, outcome: BatchOutcome): AppendAnswer {
    const isGap = outcome.kind === "refused" && outcome.error === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
    return isGap && this.#ports.gaps.holdsBack(batch) ? HELD_BACK : outcome;
  }

  async #answerNotOpen({ topic, partitionIndex, batches }: FlushPart, signal: AbortSignal): Promise<void> {
    const error = await this.#ports.opener.explainNotOpen(topic.topicId, partitionIndex, signal);
    settleAll(batches, { kind: "refused", error });
  }

  #answerOf(error: unknown): AppendAnswer {
    const message = describeError(error);
    if (error instanceof StoreUnavailableError || error instanceof RetiredObjectError) {
      return { kind: "refused", error: ErrorCode.KAFKA_STORAGE_ERROR, message };
    }
    const { signal, logger } = this.#ports;
    const isTimeout = error instanceof TimeLimitError || (error instanceof LogError && error.kind === "unavailable");
    if (isTimeout || signal.aborted) {
      logger.warn("flush not committed in time", { error: message });
      return { kind: "refused", error: ErrorCode.REQUEST_TIMED_OUT, message };
    }
    logger.error("flush failed", { error: message });
    return { kind: "refused", error: ErrorCode.UNKNOWN_SERVER_ERROR, message };
  }
}

const UNKNOWN_PARTITION: AppendAnswer = { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };

function isNotOpen(outcome: BatchOutcome | undefined): boolean {
  return outcome?.kind === "refused" && outcome.error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function settleAll(batches: readonly QueuedBatch[], answer: AppendAnswer): void {
  for (const batch of batches) batch.settle(answer);
}
