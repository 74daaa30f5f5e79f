import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { AppendAnswer, AppendOptions, PartitionAppend } from "./log-api.ts";

export const TIMED_OUT: AppendAnswer = { kind: "refused", error: ErrorCode.REQUEST_TIMED_OUT };

/**
 * `waiting`: queued, and dropped when its request aborts. `in-flight`: part of a flush, whose outcome decides.
 * `settled`: answered.
 */
export type BatchStage = "waiting" | "in-flight" | "settled";

/** One batch on its way: the only object that the path makes for it before its command. */
export class QueuedBatch {
  readonly request: AppendRequest;
  readonly index: number;
  readonly append: PartitionAppend;
  stage: BatchStage = "waiting";
  /** Its number among all batches of the process, as they came. */
  arrival = 0;

  constructor(request: AppendRequest, index: number, append: PartitionAppend) {
    this.request = request;
    this.index = index;
    this.append = append;
  }

  get byteLength(): number {
    return this.append.bytes.byteLength;
  }

  /** The first answer counts. */
  settle(answer: AppendAnswer): void {
    if (this.stage === "settled") return;
    this.stage = "settled";
    this.request.settleOne(this, answer);
  }
}

/** One call of `append`: gathers the answers of its batches. */
export class AppendRequest {
  readonly batches: readonly QueuedBatch[];
  readonly options: AppendOptions;
  readonly #answers: AppendAnswer[];
  readonly #onSettled: (batch: QueuedBatch, answer: AppendAnswer) => void;
  readonly #resolve: (answers: readonly AppendAnswer[]) => void;
  #openCount: number;

  constructor(
    appends: readonly PartitionAppend[],
    options: AppendOptions,
    handlers: {
      /** Called once a batch, before the answers are complete. */
      readonly onSettled: (batch: QueuedBatch, answer: AppendAnswer) => void;
      readonly resolve: (answers: readonly AppendAnswer[]) => void;
    },
  ) {
    this.options = options;
    this.batches = appends.map((append, index) => new QueuedBatch(this, index, append));
    this.#answers = new Array(appends.length).fill(TIMED_OUT);
    this.#onSettled = handlers.onSettled;
    this.#resolve = handlers.resolve;
    this.#openCount = appends.length;
  }

  get isSettled(): boolean {
    return this.#openCount === 0;
  }

  settleOne(batch: QueuedBatch, answer: AppendAnswer): void {
    this.#answers[batch.index] = answer;
    this.#openCount--;
    this.#onSettled(batch, answer);
    if (this.#openCount === 0) this.#resolve(this.#answers);
  }

  /** Answers what is not in flight; that stays, for nobody can call it back. */
  abort(): void {
    for (const batch of this.batches) {
      if (batch.stage === "waiting") batch.settle(TIMED_OUT);
    }
  }
}
