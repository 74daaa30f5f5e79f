import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { objectsToRead } from "#lib/journal/command-object.ts";
import { type CommandRecord, decodeRecord } from "#lib/journal/command-record.ts";
import { FoldedState } from "#lib/journal/folded-state.ts";
import { copiesNeeded } from "#lib/log/commit-rule.ts";
import type { AppendCommand, LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { describeError } from "#lib/runtime/logger.ts";
import {
  type BrokerId,
  type JournalId,
  type JournalSeq,
  type ObjectKey,
  type Offset,
  objectKey,
  type TopicId,
} from "#lib/util/branded.ts";
import { nameOfBatch } from "./batches.ts";
import { ReplicaTruth, type SessionTimes } from "./replicas/replica-truth.ts";
import type { Scheduler } from "./scheduler.ts";
import type { StoreWorld } from "./sim-object-store.ts";
import { WorkerTruth } from "./workers/worker-truth.ts";

/** From an instant on. */
export interface PartitionMark {
  readonly atMs: number;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
}

export interface TrueBatch {
  readonly name: string;
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly committedAtMs: number;
  readonly place: TruePlace;
  /** How many stores had to have it. */
  readonly copies: number;
  /** As they were appended. */
  readonly bytes: Uint8Array;
}

export type TruePlace =
  | { readonly kind: "object"; readonly key: ObjectKey }
  | { readonly kind: "inline"; readonly seq: JournalSeq };

export interface TruePartition {
  readonly key: string;
  readonly journal: JournalId;
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly marks: PartitionMark[];
  readonly batches: TrueBatch[];
  droppedAtMs: number | undefined;
}

export interface TrueTopic {
  readonly topicId: TopicId;
  readonly name: string;
  readonly createdAtMs: number;
  /** When it was marked for deletion: from then on nobody may find it. */
  deletedAtMs: number | undefined;
  /** Whether its records may go when others of their key come. */
  readonly isCompacted: boolean;
  readonly growths: { readonly atMs: number; readonly partitionCount: number }[];
}

/** Everything that has been committed, folded in the instant in which it came to stand: what all processes should agree on. */
export class Truth {
  readonly partitions = new Map<string, TruePartition>();
  readonly topics = new Map<TopicId, TrueTopic>();
  /** What could not be true if the product kept its promises. */
  readonly problems: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #stores: readonly StoreWorld[];
  /** What is known of brokers, leaders and ISRs. */
  readonly replicas: ReplicaTruth;
  /** What is known of what workers do; left out where none run. */
  readonly workers: WorkerTruth | undefined;
  readonly #cluster: FoldedState<ClusterState, ClusterCommand, ClusterOutcome>;
  readonly #logs = new Map<JournalId, FoldedState<LogState, LogCommand, LogOutcome>>();
  readonly #groups = new Map<JournalId, FoldedState<GroupJournalState, GroupCommand, GroupOutcome>>();
  readonly #machine: LogStateMachine;
  readonly #checksums = new Map<string, number>();
  readonly #broken = new Set<JournalId>();

  constructor(
    scheduler: Scheduler,
    parts: {
      readonly stores: readonly StoreWorld[];
      readonly machine: LogStateMachine;
      readonly times: SessionTimes;
      readonly hasWorkers: boolean;
    },
  ) {
    const { stores, machine, times } = parts;
    this.#scheduler = scheduler;
    this.#stores = stores;
    this.#machine = machine;
    this.replicas = new ReplicaTruth(scheduler, { stores, problems: this.problems, times });
    const { partitions, problems } = this;
    const workerParts = { stores, problems, partitions, logJournals: () => this.logJournals() };
    this.workers = parts.hasWorkers ? new WorkerTruth(workerParts) : undefined;
    this.#cluster = new FoldedState(CLUSTER_JOURNAL_ID, this.#watchedCluster());
  }

  checksumAt(journal: JournalId, seq: JournalSeq): number | undefined {
    return seq === 0 ? 0 : this.#checksums.get(`${journal}@${seq}`);
  }

  logStates(): readonly LogState[] {
    return [...this.#logs.values()].map((folded) => folded.state);
  }

  logJournals(): readonly { readonly id: JournalId; readonly state: LogState }[] {
    return [...this.#logs].map(([id, { state }]) => ({ id, state }));
  }

  /** The id of the broker that leads a partition; undefined if that is nobody, or there is no such partition. */
  leaderOf(topicName: string, partitionIndex: number): BrokerId | undefined {
    const topic = [...this.topics.values()].findLast(({ name, deletedAtMs }) => name === topicName && !deletedAtMs);
    const partition = topic && this.partitions.get(partitionKey(topic.topicId, partitionIndex));
    const state = partition && this.#logs.get(partition.journal)?.state;
    return state?.leader.brokerId;
  }

  get clusterState() {
    return this.#cluster.state;
  }

  /** Folds a record that has just come to stand. A number that was freed by a trim is nobody's: only the next one counts. */
  note(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): void {
    if (journal.endsWith("/snapshots") || this.#broken.has(journal)) return;
    try {
      if (journal === CLUSTER_JOURNAL_ID) this.#noteCluster(seq, bytes);
      else if (journal.startsWith("group-")) this.#noteGroups(journal, seq, bytes);
      else this.#noteLog(journal, seq, bytes);
    } catch (error) {
      this.#broken.add(journal);
      this.problems.push(`truth: ${journal} record ${seq}: ${describeError(error)}`);
    }
  }

  #noteCluster(seq: JournalSeq, bytes: Uint8Array): void {
    const folded = this.#cluster;
    if (seq !== folded.seq + 1) return;
    const record = decodeRecord(bytes);
    folded.fold(record, this.#bodies(record, seq));
    this.#checksums.set(`${CLUSTER_JOURNAL_ID}@${seq}`, folded.checksum);
    const atMs = this.#scheduler.elapsedMs;
    for (const topic of folded.state.topics.values()) {
      let known = this.topics.get(topic.topicId);
      if (known === undefined) {
        const { topicId, name, configs } = topic;
        const isCompacted = configs.get("cleanup.policy")?.includes("compact") === true;
        known = { topicId, name, createdAtMs: atMs, deletedAtMs: undefined, isCompacted, growths: [] };
        this.topics.set(topic.topicId, known);
      }
      if (known.growths.at(-1)?.partitionCount !== topic.partitionCount) {
        known.growths.push({ atMs, partitionCount: topic.partitionCount });
      }
      if (topic.deletingSince !== undefined) known.deletedAtMs ??= atMs;
    }
  }

  #noteGroups(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): void {
    const folded = this.#groups.get(journal) ?? new FoldedState(journal, groupStateMachine);
    this.#groups.set(journal, folded);
    if (seq !== folded.seq + 1) return;
    const record = decodeRecord(bytes);
    folded.fold(record, this.#bodies(record, seq));
    this.#checksums.set(`${journal}@${seq}`, folded.checksum);
  }

  #noteLog(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): void {
    let folded = this.#logs.get(journal);
    if (folded === undefined) {
      folded = new FoldedState(journal, this.#watched(journal));
      this.#logs.set(journal, folded);
    }
    if (seq !== folded.seq + 1) return;
    const record = decodeRecord(bytes);
    folded.fold(record, this.#bodies(record, seq));
    this.#checksums.set(`${journal}@${seq}`, folded.checksum);
  }

  #watchedCluster(): typeof clusterStateMachine {
    return {
      ...clusterStateMachine,
      fold: (state, command, context) => {
        const brokerId = "brokerId" in command ? command.brokerId : -1;
        const wasRunning = state.brokers.get(brokerId)?.status === "running";
        const outcome = clusterStateMachine.fold(state, command, context);
        this.replicas.noteCluster({ command, outcome, ...context }, wasRunning, state);
        return outcome;
      },
    };
  }

  /** Looks at the state after each command: the next one of the same record may change it again. */
  #watched(journal: JournalId): LogStateMachine {
    return {
      ...this.#machine,
      fold: (state, command, context) => {
        const { leader, isr, isrEpoch } = state;
        const outcome = this.#machine.fold(state, command, context);
        this.replicas.noteLog(journal, { command, outcome, ...context }, { leader, isr, isrEpoch }, state);
        this.#noteCommand(journal, state, { command, outcome, seq: context.seq });
        if (this.workers === undefined) return outcome;
        this.workers.noteLog(journal, state, command, outcome);
        if (WORK.has(command.kind)) this.#scheduler.trace(`${journal} ${command.kind}: ${JSON.stringify(outcome)}`);
        return outcome;
      },
    };
  }

  #noteCommand(
    journal: JournalId,
    state: LogState,
    { command, outcome, seq }: { readonly command: LogCommand; readonly outcome: LogOutcome; readonly seq: JournalSeq },
  ): void {
    const atMs = this.#scheduler.elapsedMs;
    if (command.kind === "append" && outcome.kind === "appended") this.#noteAppend(state, { command, outcome, seq });
    if (command.kind === "drop") {
      for (const partition of this.partitions.values()) {
        if (partition.journal === journal && partition.topicId === command.topicId) partition.droppedAtMs ??= atMs;
      }
    }
    for (const { topicId, partitionIndex, logStartOffset, logEndOffset } of touched(state, command)) {
      const key = partitionKey(topicId, partitionIndex);
      let known = this.partitions.get(key);
      if (known === undefined) {
        known = { key, journal, topicId, partitionIndex, marks: [], batches: [], droppedAtMs: undefined };
        this.partitions.set(key, known);
      }
      if (known.droppedAtMs !== undefined) this.problems.push(`checkNoRevival: ${key} is open again after its drop`);
      const last = known.marks.at(-1);
      if (last !== undefined && last.logStartOffset > logStartOffset) {
        this.problems.push(`checkLogStart: ${key} began at ${last.logStartOffset}, now at ${logStartOffset}`);
      }
      if (last?.logStartOffset !== logStartOffset || last.logEndOffset !== logEndOffset) {
        known.marks.push({ atMs, logStartOffset, logEndOffset });
      }
    }
  }

  #noteAppend(state: LogState, { command, outcome, seq }: Appended): void {
    const { source } = command;
    const bytes = source.kind === "inline" ? source.bytes : this.#objectBytes(source.key);
    const place: TruePlace =
      source.kind === "inline" ? { kind: "inline", seq } : { kind: "object", key: objectKey(source.key) };
    for (const [index, part] of command.parts.entries()) {
      const key = partitionKey(part.topicId, part.partitionIndex);
      const partition = state.partitions.get(key);
      const known = this.partitions.get(key);
      let position = part.position;
      for (const [at, batch] of part.batches.entries()) {
        const begin = position;
        position += batch.byteLength;
        const own = outcome.parts[index]?.[at];
        if (own?.kind !== "appended" || partition === undefined) continue;
        const { withMinInsync, withoutMinInsync } = copiesNeeded(state, partition);
        const copies = batch.requireMinInsync ? withMinInsync : withoutMinInsync;
        if (place.kind === "object") this.#checkCopies(place.key, copies);
        if (bytes === undefined || known === undefined) continue;
        const stored = bytes.subarray(begin, position);
        const name = nameOfBatch(splitBatches(stored).batches[0]);
        const nextOffset = own.baseOffset + batch.offsetCount;
        const committedAtMs = this.#scheduler.elapsedMs;
        const { baseOffset } = own;
        known.batches.push({ name, baseOffset, nextOffset, committedAtMs, place, copies, bytes: stored });
      }
    }
  }

  /** A record that is committed stands in as many stores as its partition demands, or did before one lost it again. */
  #checkCopies(key: ObjectKey, needed: number): void {
    const copies = this.#stores.filter(({ service, lost }) => service.objects.has(key) || lost.has(key)).length;
    if (copies < needed) this.problems.push(`checkCopies: ${key} is committed at ${copies} of ${needed} copies`);
  }

  #objectBytes(key: string): Uint8Array | undefined {
    return this.#stores[0]?.archive.get(objectKey(key));
  }

  #bodies(record: CommandRecord, seq: JournalSeq): ReadonlyMap<number, Uint8Array> {
    const bodies = new Map<number, Uint8Array>();
    for (const [index, ref] of objectsToRead(record, seq)) {
      const bytes = this.#objectBytes(ref.key);
      if (bytes === undefined) throw new Error(`checkCopies: the object of a command, ${ref.key}, is in no store`);
      bodies.set(index, bytes);
    }
    return bodies;
  }
}

const WORK: ReadonlySet<LogCommand["kind"]> = new Set([
  "replace",
  "gather",
  "retire",
  "advance-log-start",
  "expire-producers",
  "note-cleaning",
]);

interface Appended {
  readonly command: AppendCommand;
  readonly outcome: LogOutcome & { readonly kind: "appended" };
  readonly seq: JournalSeq;
}

function touched(state: LogState, command: LogCommand) {
  const keys: string[] = [];
  if (command.kind === "open") {
    for (const index of new Set(command.partitionIndexes)) keys.push(partitionKey(command.topicId, index));
  }
  if (command.kind === "append" || command.kind === "gather") {
    for (const part of command.parts) keys.push(partitionKey(part.topicId, part.partitionIndex));
  }
  if (command.kind === "advance-log-start" || command.kind === "replace")
    keys.push(partitionKey(command.topicId, command.partitionIndex));
  return keys.flatMap((key) => {
    const partition = state.partitions.get(key);
    return partition === undefined ? [] : [partition];
  });
}
