import type { TopicSettings } from "#lib/cluster/topic-settings.ts";
import type { AdvanceLogStartCommand } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { EXPIRED_LOG_RECORDS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { RETENTION_PARTITIONS_PER_RUN_MAX } from "#lib/util/limits.ts";
import { type JournalWorkPorts, type JournalWorkResult, workOnJournals } from "../workers/journal-work.ts";
import type { Worker, WorkerRun } from "../workers/worker.ts";
import { retainedFrom } from "./retained-from.ts";

/** What retention needs to know of the cluster (`ClusterView` has it). */
export interface RetentionCluster {
  /** Undefined of a topic that is gone or being deleted. */
  settings(topicId: TopicId): Pick<TopicSettings, "isDeleted" | "retentionMs" | "retentionBytes"> | undefined;
  brokerInteger(name: string): number;
  /** Resolves when a strong read that began after this call is folded. */
  refresh(signal: AbortSignal): Promise<void>;
}

export interface RetentionOptions extends JournalWorkPorts {
  readonly cluster: RetentionCluster;
  readonly telemetry?: Telemetry | undefined;
}

interface DueAdvance {
  readonly command: AdvanceLogStartCommand;
  /** Offsets that go with it. */
  readonly offsetCount: number;
}

const LANE = "retention";
const NOTHING: JournalWorkResult = { changed: 0, isWhole: true };

/**
 * Moves log starts past what `retention.ms` and `retention.bytes` let go, in topics with `delete` in `cleanup.policy`. Times
 * are the journal service's. What lies below a log start is nobody's any more; its objects are the garbage worker's.
 */
export class RetentionWorker implements Worker {
  readonly name = "retention";
  readonly #options: RetentionOptions;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /**
   * Not before `log.retention.check.interval.ms` has passed since the last pass that went through everything: each change
   * is a record. Answers how many log starts it has moved.
   */
  async runOnce({ isForced, signal }: WorkerRun): Promise<number> {
    const { clock, cluster } = this.#options;
    const nowMs = clock.monotonicMs();
    if (!isForced && nowMs < this.#dueAtMs) return 0;
    const task = {
      failure: "retention is not enforced in a journal",
      work: (journal: LogJournal, own: AbortSignal) => this.#enforce(journal, own),
    };
    const { changed, isWhole } = await workOnJournals(this.#options, task, signal);
    if (isWhole) this.#dueAtMs = nowMs + cluster.brokerInteger("log.retention.check.interval.ms");
    return changed;
  }

  async #enforce(journal: LogJournal, signal: AbortSignal): Promise<JournalWorkResult> {
    const { cluster, logger, telemetry } = this.#options;
    if (this.#due(journal).length === 0) return NOTHING;
    // What is deleted does not come back: a retention that somebody has just made longer counts, and so does what the
    // cleaner has just made smaller.
    await Promise.all([cluster.refresh(signal), journal.readBarrier(signal)]);
    const due = this.#due(journal);
    // All in one turn, so that they travel in one record.
    const committed = await Promise.all(due.map(({ command }) => journal.propose(command, { lane: LANE, signal })));
    // Refused is only what belongs to a topic that was dropped meanwhile.
    const moved = due.filter((_, index) => committed[index]?.outcome.kind === "done");
    const changed = moved.length;
    const offsetCount = moved.reduce((sum, advance) => sum + advance.offsetCount, 0);
    telemetry?.count(EXPIRED_LOG_RECORDS, offsetCount);
    logger.debug("records are past their retention", {
      journal: journal.id,
      partitions: changed,
      offsets: offsetCount,
    });
    return { changed, isWhole: due.length < RETENTION_PARTITIONS_PER_RUN_MAX };
  }

  #due(journal: LogJournal): readonly DueAdvance[] {
    const { cluster } = this.#options;
    const nowMs = journal.nowMs();
    const due: DueAdvance[] = [];
    for (const partition of journal.state.partitions.values()) {
      const { topicId, partitionIndex, logStartOffset } = partition;
      if (logStartOffset === partition.logEndOffset) continue;
      const settings = cluster.settings(topicId);
      if (settings?.isDeleted !== true) continue;
      const start = retainedFrom(partition, settings, nowMs);
      if (start === logStartOffset) continue;
      const command = { kind: "advance-log-start", topicId, partitionIndex, logStartOffset: start } as const;
      due.push({ command, offsetCount: start - logStartOffset });
      if (due.length === RETENTION_PARTITIONS_PER_RUN_MAX) break;
    }
    return due;
  }
}
