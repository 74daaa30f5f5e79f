import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { SegmentMemory } from "#lib/storage/segment-memory.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import { assert, defined } from "#lib/util/assert.ts";
import type { StoreId } from "#lib/util/branded.ts";
import {
  APPEND_INLINE_BYTES_MAX,
  FLUSH_BATCHES_MAX,
  FLUSH_BYTES_MAX,
  FLUSH_TIMEOUT_MS,
  INLINE_BYTES_MAX,
  PENDING_BYTES_MAX,
  SEQUENCE_GAP_MS_MAX,
  SEQUENCE_GAPS_MAX,
  UPLOADS_IN_FLIGHT_MAX,
} from "#lib/util/limits.ts";
import { AbortWatch } from "./abort-watch.ts";
import { AppendRequest, type QueuedBatch, TIMED_OUT } from "./append-request.ts";
import { Flush, type FlushPorts } from "./flush.ts";
import { FlushBuffer } from "./flush-buffer.ts";
import { FlushLanes } from "./flush-lanes.ts";
import { planFlush } from "./flush-plan.ts";
import type { AppendAnswer, Appender, AppendOptions, PartitionAppend } from "./log-api.ts";
import type { LogJournals } from "./log-journals.ts";
import { type ProducerState, partitionKey } from "./log-state.ts";
import { Opener } from "./opener.ts";
import { journalOfPartition, type PartitionDirectory } from "./partition-directory.ts";
import { PendingBytes } from "./pending-bytes.ts";
import type { RecentBytes } from "./recent-bytes.ts";
import { HELD_BACK, SequenceGaps } from "./sequence-gaps.ts";
import { uploadEpoch } from "./upload-epoch.ts";
import { UploadSlots } from "./upload-slots.ts";

export interface AppendSettings {
  /** Time between the beginnings of two flushes; 0: whatever waits goes as soon as an upload may begin. */
  readonly lingerMs: number;
  /** Flushes up to this size travel in the journal record. */
  readonly inlineBytesMax: number;
  readonly uploadsInFlightMax: number;
  readonly pendingBytesMax: number;
  readonly flushBytesMax: number;
  readonly flushBatchesMax: number;
  readonly flushTimeoutMs: number;
  /** Failed batches that are remembered so that later ones of their producers do not overtake them. */
  readonly sequenceGapsMax: number;
}

export const DEFAULT_APPEND_SETTINGS: AppendSettings = {
  lingerMs: 0,
  inlineBytesMax: APPEND_INLINE_BYTES_MAX,
  uploadsInFlightMax: UPLOADS_IN_FLIGHT_MAX,
  pendingBytesMax: PENDING_BYTES_MAX,
  flushBytesMax: FLUSH_BYTES_MAX,
  flushBatchesMax: FLUSH_BATCHES_MAX,
  flushTimeoutMs: FLUSH_TIMEOUT_MS,
  sequenceGapsMax: SEQUENCE_GAPS_MAX,
};

export interface AppendPathPorts {
  readonly journals: LogJournals;
  readonly directory: PartitionDirectory;
  /** The deployment's stores, ascending. */
  readonly storeIds: readonly StoreId[];
  readonly writer: ReplicatedWriter;
  /** Without it stores are waited for however long they have been silent. */
  readonly health?: StoreHealth | undefined;
  readonly recent: RecentBytes;
  readonly memory: SegmentMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Aborts when the process stops: whatever is not committed by then is answered with REQUEST_TIMED_OUT. */
  readonly signal: AbortSignal;
}

/**
 * Gathers batches into flushes. A flush closes when an upload may begin and the last flush began `lingerMs` ago or the
 * buffer is full; so `lingerMs` is a spacing, and batches grow under load by themselves.
 */
export class AppendPath implements Appender {
  readonly #ports: AppendPathPorts;
  readonly #settings: AppendSettings;
  readonly #opener: Opener;
  readonly #flushPorts: FlushPorts;
  readonly #pending: PendingBytes;
  readonly #buffer: FlushBuffer;
  readonly #gaps: SequenceGaps;
  readonly #abortWatch: AbortWatch;
  readonly #slots: UploadSlots;
  /** Batches whose journal is being opened or gets its replicas, by journal. */
  readonly #held = new Map<number, QueuedBatch[]>();
  #lastFlushMs = Number.NEGATIVE_INFINITY;
  #isClosingSoon = false;
  #isDroppingSoon = false;
  #linger: ScheduledCall | undefined;

  constructor(ports: AppendPathPorts, settings: AppendSettings = DEFAULT_APPEND_SETTINGS) {
    assert(settings.inlineBytesMax <= INLINE_BYTES_MAX, "inlined flushes fit in a journal record");
    assert(settings.flushBatchesMax <= FLUSH_BATCHES_MAX, "the commands of a flush fit in a journal record");
    const { journals, directory, storeIds, writer, recent, memory, clock, random, logger, signal, health } = ports;
    const timeoutMs = settings.flushTimeoutMs;
    const writerId = Buffer.from(random.bytes(8)).toString("hex");
    this.#ports = ports;
    this.#settings = settings;
    this.#opener = new Opener({ journals, directory, storeIds, clock, signal, timeoutMs });
    this.#gaps = new SequenceGaps({
      clock,
      producerOf: (batch) => this.#producerOf(batch),
      countMax: settings.sequenceGapsMax,
      ageMsMax: SEQUENCE_GAP_MS_MAX,
    });
    const order = { gaps: this.#gaps, lanes: new FlushLanes(this.#gaps) };
    const ours = {
      opener: this.#opener,
      writerId,
      uploadEpoch: () => uploadEpoch(clock, journals),
      timeoutMs,
      health: storeIds.length > 1 ? health : undefined,
    };
    this.#flushPorts = { writer, recent, memory, clock, random, logger, signal, ...ours, ...order };
    this.#pending = new PendingBytes(settings.pendingBytesMax);
    this.#buffer = new FlushBuffer({ bytesMax: settings.flushBytesMax, batchesMax: settings.flushBatchesMax });
    this.#slots = new UploadSlots({ clock, countMax: settings.uploadsInFlightMax, onFree: () => this.#closeSoon() });
    this.#abortWatch = new AbortWatch(() => this.#dropSettledSoon());
    signal.addEventListener("abort", () => this.#stop(), { once: true });
  }

  get pendingBytes(): number {
    return this.#pending.byteLength;
  }

  whenBelowLimit(): Promise<void> {
    return this.#pending.whenBelowLimit();
  }

  drain(): Promise<void> {
    return this.#pending.whenEmpty();
  }

  append(appends: readonly PartitionAppend[], options: AppendOptions): Promise<readonly AppendAnswer[]> {
    if (appends.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const request = new AppendRequest(appends, options, {
        onSettled: (batch, answer) => {
          this.#pending.remove(batch.byteLength);
          this.#gaps.noteAnswer(batch, answer);
        },
        resolve: (answers) => {
          this.#abortWatch.delete(request);
          resolve(answers);
        },
      });
      this.#admit(request);
    });
  }

  #admit(request: AppendRequest): void {
    for (const batch of request.batches) this.#pending.add(batch.byteLength);
    if (request.options.signal.aborted || this.#ports.signal.aborted) {
      // Numbered all the same: what comes after it must not overtake it.
      for (const batch of request.batches) this.#gaps.admit(batch);
      request.abort();
      return;
    }
    this.#abortWatch.add(request);
    for (const batch of request.batches) this.#enqueue(batch);
    this.#closeSoon();
  }

  #enqueue(batch: QueuedBatch): void {
    const { topic, partitionIndex } = batch.append;
    const journalNumber = journalOfPartition(topic, partitionIndex);
    if (!this.#gaps.admit(batch)) {
      batch.settle(HELD_BACK);
      this.#catchUp(journalNumber);
      return;
    }
    const held = this.#held.get(journalNumber);
    if (held !== undefined) held.push(batch);
    else if (this.#opener.placed(journalNumber) !== undefined) this.#buffer.push(batch);
    else {
      this.#held.set(journalNumber, [batch]);
      void this.#prepare(journalNumber);
    }
  }

  #producerOf({ append }: QueuedBatch): ProducerState | undefined {
    const { topic, partitionIndex, header } = append;
    const journal = this.#ports.journals.opened(journalOfPartition(topic, partitionIndex));
    const partition = journal?.state.partitions.get(partitionKey(topic.topicId, partitionIndex));
    return partition?.producers.get(header.producerId);
  }

  /** What failed here may have been committed through another process: then nothing needs to be held back. */
  #catchUp(journalNumber: number): void {
    const { journals, signal } = this.#ports;
    // Nobody waits for it; if it fails, the client's next try begins another one.
    journals
      .opened(journalNumber)
      ?.catchUp(signal)
      .catch(() => {});
  }

  /** Lets the batches of a journal go on, in their order, when appends may be proposed to it. Never rejects. */
  async #prepare(journalNumber: number): Promise<void> {
    let answer: AppendAnswer | undefined;
    try {
      await this.#opener.place(journalNumber);
    } catch (error) {
      const message = describeError(error);
      this.#ports.logger.warn("log journal cannot be opened", { journal: journalNumber, error: message });
      answer = { kind: "refused", error: ErrorCode.REQUEST_TIMED_OUT, message };
    }
    const held = this.#held.get(journalNumber) ?? [];
    this.#held.delete(journalNumber);
    for (const batch of held) {
      if (answer !== undefined) batch.settle(answer);
      else if (batch.stage === "waiting") this.#buffer.push(batch);
    }
    this.#closeSoon();
  }

  /** Looks at the end of this turn, so that requests that arrived together share a flush. */
  #closeSoon(): void {
    if (this.#isClosingSoon || this.#buffer.count === 0) return;
    this.#isClosingSoon = true;
    void this.#ports.clock.endOfTurn().then(() => {
      this.#isClosingSoon = false;
      this.#closeFlushes();
    });
  }

  #closeFlushes(): void {
    while (this.#buffer.count > 0 && this.#slots.isFree) {
      const nowMs = this.#ports.clock.monotonicMs();
      const waitMs = this.#lastFlushMs + this.#settings.lingerMs - nowMs;
      if (waitMs > 0 && !this.#buffer.isFull) {
        this.#linger ??= this.#ports.clock.schedule(waitMs, () => {
          this.#linger = undefined;
          this.#closeFlushes();
        });
        return;
      }
      const batches = this.#buffer.take();
      if (batches.length === 0) continue;
      this.#lastFlushMs = nowMs;
      this.#closeFlush(batches);
    }
  }

  #closeFlush(batches: readonly QueuedBatch[]): void {
    try {
      this.#beginFlush(batches);
    } catch (error) {
      const message = describeError(error);
      this.#ports.logger.error("flush cannot begin", { error: message });
      for (const batch of batches) batch.settle({ kind: "refused", error: ErrorCode.UNKNOWN_SERVER_ERROR, message });
    }
  }

  #beginFlush(taken: readonly QueuedBatch[]): void {
    const batches = this.#gaps.count === 0 ? taken : this.#withoutHeldBack(taken);
    const byteLength = batches.reduce((sum, batch) => sum + batch.byteLength, 0);
    const isInlined = byteLength <= this.#settings.inlineBytesMax;
    const journalOf = (number: number) => defined(this.#opener.placed(number), "journal of a buffered batch");
    const { segments, unmet } = planFlush(batches, { journalOf, isInlined });
    this.#refuseUnmet(unmet);
    const flush = new Flush({ segments, isInlined }, this.#flushPorts);
    // Where there is one store nobody else is kept waiting for it.
    const mayStall = !isInlined && this.#ports.storeIds.length > 1;
    this.#slots.hold(flush.uploaded, { mayStall });
  }

  #refuseUnmet(batches: readonly QueuedBatch[]): void {
    const journalNumbers = new Set<number>();
    for (const batch of batches) {
      const { topic, partitionIndex } = batch.append;
      journalNumbers.add(journalOfPartition(topic, partitionIndex));
      batch.settle({ kind: "refused", error: ErrorCode.NOT_ENOUGH_REPLICAS });
    }
    // Stores may have come back by what another process has said; nothing else would ever tell a process that refuses all.
    for (const journalNumber of journalNumbers) this.#catchUp(journalNumber);
  }

  #withoutHeldBack(batches: readonly QueuedBatch[]): readonly QueuedBatch[] {
    return batches.filter((batch) => {
      const isHeldBack = this.#gaps.holdsBack(batch);
      if (isHeldBack) batch.settle(HELD_BACK);
      return !isHeldBack;
    });
  }

  /** Once for all requests that end together: each look goes through everything that waits. */
  #dropSettledSoon(): void {
    if (this.#isDroppingSoon) return;
    this.#isDroppingSoon = true;
    void this.#ports.clock.endOfTurn().then(() => {
      this.#isDroppingSoon = false;
      this.#dropSettled();
    });
  }

  #dropSettled(): void {
    this.#buffer.dropSettled();
    for (const [journalNumber, held] of this.#held) {
      this.#held.set(
        journalNumber,
        held.filter((batch) => batch.stage === "waiting"),
      );
    }
  }

  #stop(): void {
    this.#linger?.cancel();
    while (this.#buffer.count > 0) {
      for (const batch of this.#buffer.take()) batch.settle(TIMED_OUT);
    }
  }
}
