import type { ExpireProducersCommand } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import type { PartitionState } from "#lib/log/log-state.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import {
  PRODUCER_EXPIRY_CHECK_MS,
  PRODUCER_EXPIRY_MS_MIN,
  RETENTION_PARTITIONS_PER_RUN_MAX,
} from "#lib/util/limits.ts";
import { type JournalWorkPorts, type JournalWorkResult, workOnJournals } from "../workers/journal-work.ts";
import type { Worker, WorkerRun } from "../workers/worker.ts";

export interface ProducerExpirerOptions extends JournalWorkPorts {
  readonly cluster: { brokerInteger(name: string): number };
}

const LANE = "producers";

/** Forgets producers that a partition has not seen for `producer.id.expiration.ms`; a part of the worker `expirer`. */
export class ProducerExpirer implements Worker {
  readonly name = "expirer";
  readonly #options: ProducerExpirerOptions;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ProducerExpirerOptions) {
    this.#options = options;
  }

  /** Looks every `PRODUCER_EXPIRY_CHECK_MS`. Answers in how many partitions producers were forgotten. */
  async runOnce({ isForced, signal }: WorkerRun): Promise<number> {
    const nowMs = this.#options.clock.monotonicMs();
    if (!isForced && nowMs < this.#dueAtMs) return 0;
    const task = {
      failure: "producers do not expire in a journal",
      work: (journal: LogJournal, own: AbortSignal) => this.#expire(journal, own),
    };
    const { changed, isWhole } = await workOnJournals(this.#options, task, signal);
    if (isWhole) this.#dueAtMs = nowMs + PRODUCER_EXPIRY_CHECK_MS;
    return changed;
  }

  async #expire(journal: LogJournal, signal: AbortSignal): Promise<JournalWorkResult> {
    if (this.#due(journal).length === 0) return { changed: 0, isWhole: true };
    await journal.readBarrier(signal);
    const due = this.#due(journal);
    await journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, signal);
    const committed = await Promise.all(due.map((command) => journal.propose(command, { lane: LANE, signal })));
    const changed = committed.filter(({ outcome }) => outcome.kind === "done").length;
    return { changed, isWhole: due.length < RETENTION_PARTITIONS_PER_RUN_MAX };
  }

  #due(journal: LogJournal): readonly ExpireProducersCommand[] {
    const expiryMs = this.#options.cluster.brokerInteger("producer.id.expiration.ms");
    const { partitions, latestProposedAtMs } = journal.state;
    const idleSinceMs = journal.nowMs() - expiryMs;
    // The fold spares what was seen shortly before the latest append: such a command would be in vain, again and again.
    const expiredBeforeMs = Math.min(idleSinceMs, latestProposedAtMs - PRODUCER_EXPIRY_MS_MIN);
    const due: ExpireProducersCommand[] = [];
    for (const partition of partitions.values()) {
      if (!hasProducerFromBefore(partition, expiredBeforeMs)) continue;
      const { topicId, partitionIndex } = partition;
      due.push({ kind: "expire-producers", topicId, partitionIndex, idleSinceMs });
      if (due.length === RETENTION_PARTITIONS_PER_RUN_MAX) break;
    }
    return due;
  }
}

function hasProducerFromBefore({ producers }: PartitionState, timeMs: TimestampMs): boolean {
  for (const { lastSeenMs } of producers.values()) if (lastSeenMs < timeMs) return true;
  return false;
}
