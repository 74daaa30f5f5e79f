import type { JournalRecord } from "#lib/journal/journal.ts";
import { decodePointer, objectsOf } from "#lib/journal/snapshot-shelf.ts";
import { copiesNeeded, storesOf } from "#lib/log/commit-rule.ts";
import type { LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import { type LogSegment, type LogState, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { segmentFiles, segmentKey } from "#lib/log/segments.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { type JournalId, type ObjectKey, type Offset, objectKey, type StoreId } from "#lib/util/branded.ts";
import type { StoreWorld } from "../sim-object-store.ts";
import type { TrueBatch, TruePartition } from "../truth.ts";

export interface WorkerTruthParts {
  readonly stores: readonly StoreWorld[];
  readonly problems: string[];
  readonly partitions: ReadonlyMap<string, TruePartition>;
  readonly logJournals: () => readonly { readonly id: JournalId; readonly state: LogState }[];
}

interface TrueRecord {
  readonly offset: Offset;
  readonly key: string;
  readonly bytes: string;
}

/** Behind the base offset and the leader epoch, which brokers write; the length between them is compared too. */
const LENGTH_AT = 8;
const MAGIC_AT = 16;

/** What must hold of all that workers change and delete. */
export class WorkerTruth {
  readonly #parts: WorkerTruthParts;
  readonly #records = new WeakMap<TrueBatch, readonly TrueRecord[]>();

  constructor(parts: WorkerTruthParts) {
    this.#parts = parts;
  }

  /** Called when the state has folded the command. */
  noteLog(journal: JournalId, state: LogState, command: LogCommand, outcome: LogOutcome): void {
    for (const key of partitionsOf(command)) {
      const partition = state.partitions.get(key);
      if (partition === undefined) continue;
      for (const problem of shapeProblems(partition)) this.#complain("checkShape", `${journal} ${key}: ${problem}`);
    }
    if (command.kind === "replace" && outcome.kind === "done") {
      const key = partitionKey(command.topicId, command.partitionIndex);
      const partition = state.partitions.get(key);
      const known = this.#parts.partitions.get(key);
      if (partition === undefined || known === undefined) return;
      // What ended before the log start was left out.
      for (const segment of partition.segments.filter((each) => command.segments.includes(each))) {
        for (const { key: file } of segmentFiles(segment)) this.#checkCopies(state, partition, file);
        this.#checkSegment(known, segment);
      }
    }
    if (command.kind === "gather" && outcome.kind === "gathered") {
      const object = this.#parts.stores[0]?.archive.get(command.key);
      for (const [at, part] of command.parts.entries()) {
        const key = partitionKey(part.topicId, part.partitionIndex);
        const partition = state.partitions.get(key);
        const known = this.#parts.partitions.get(key);
        if (outcome.parts[at] !== true || partition === undefined || known === undefined) continue;
        this.#checkCopies(state, partition, command.key);
        const [from, to] = [part.inputs[0]?.baseOffset ?? 0, part.inputs.at(-1)?.nextOffset ?? 0];
        const batches = known.batches.filter(({ baseOffset }) => baseOffset >= from && baseOffset < to);
        const bytes = Buffer.concat(batches.map((batch) => batch.bytes));
        const own = object?.subarray(part.position, part.position + bytes.byteLength) ?? new Uint8Array(0);
        if (Buffer.compare(own, bytes) !== 0)
          this.#complain("checkBytes", `what ${command.key} gathers of ${key} at ${from}`);
      }
    }
  }

  /** Called before a store deletes. */
  noteDeleted(
    store: StoreId,
    keys: readonly ObjectKey[],
    lastPointer: (journal: JournalId) => JournalRecord | undefined,
  ) {
    const present = keys.filter((key) => this.#parts.stores[store]?.service.objects.has(key));
    if (present.length === 0) return;
    const needed = this.references();
    const pointed = this.#pointedAt(lastPointer);
    for (const key of present) {
      const by = needed.get(key) ?? pointed.get(key);
      if (by !== undefined)
        this.#complain("checkNothingNeededDeleted", `store ${store} deletes ${key}, needed by ${by}`);
    }
  }

  /** What the newest states refer to, and who. */
  references(): ReadonlyMap<ObjectKey, string> {
    const references = new Map<ObjectKey, string>();
    for (const { id, state } of this.#parts.logJournals()) {
      for (const [name, { entries, segments }] of state.partitions) {
        for (const { place } of entries) if (place.kind === "object") references.set(place.key, `${id} ${name}`);
        for (const segment of segments)
          for (const { key } of segmentFiles(segment)) references.set(key, `${id} ${name}`);
      }
    }
    return references;
  }

  /** Whether a record may be absent of a cleaned log: a later one of its key is committed. */
  isSuperseded(partition: TruePartition, offset: Offset, atMs: number): boolean {
    const own = partition.batches.find((batch) => batch.baseOffset <= offset && offset < batch.nextOffset);
    const record = own && this.#recordsOf(own).find((each) => each.offset === offset);
    if (record === undefined) return false;
    return partition.batches.some(
      (batch) =>
        batch.nextOffset > offset + 1 &&
        batch.committedAtMs <= atMs &&
        this.#recordsOf(batch).some((each) => each.key === record.key && each.offset > offset),
    );
  }

  #pointedAt(lastPointer: (journal: JournalId) => JournalRecord | undefined): ReadonlyMap<ObjectKey, string> {
    const pointed = new Map<ObjectKey, string>();
    for (const { id } of this.#parts.logJournals()) {
      const pointer = lastPointer(id);
      if (pointer === undefined) continue;
      for (const { key } of objectsOf(decodePointer(pointer)))
        pointed.set(objectKey(key), `the newest pointer of ${id}`);
    }
    return pointed;
  }

  #checkCopies(state: LogState, partition: PartitionState, key: ObjectKey): void {
    const needed = copiesNeeded(state, partition).withoutMinInsync;
    const copies = storesOf(state, partition).filter((id) => this.#parts.stores[id]?.service.objects.has(key)).length;
    if (copies < needed) this.#complain("checkCopies", `${key} is referred to at ${copies} of ${needed} copies`);
  }

  #checkSegment(known: TruePartition, segment: LogSegment): void {
    const name = segmentKey(segment, "log");
    const log = this.#parts.stores[0]?.archive.get(name);
    if (log === undefined) {
      this.#complain("checkBytes", `${name} was never written`);
      return;
    }
    const { batches, tailBytes } = splitBatches(log);
    if (tailBytes > 0) this.#complain("checkBytes", `${name} ends within a batch`);
    const kept = new Map<Offset, string>();
    let next = segment.baseOffset;
    for (const batch of batches) {
      const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
      const own = known.batches.find((each) => each.baseOffset === baseOffset);
      if (!segment.isCleaned && (baseOffset !== next || own === undefined || !areSame(own.bytes, batch))) {
        this.#complain("checkBytes", `${name} has another batch at ${baseOffset} than was appended at ${next}`);
      }
      next = baseOffset + lastOffsetDelta + 1;
      if (segment.isCleaned) for (const record of recordsIn(batch, baseOffset)) kept.set(record.offset, record.bytes);
    }
    if (next !== segment.nextOffset) this.#complain("checkBytes", `${name} ends at ${next}, not ${segment.nextOffset}`);
    if (segment.isCleaned) this.#checkCleaned(known, segment, kept);
  }

  #checkCleaned(known: TruePartition, segment: LogSegment, kept: Map<Offset, string>): void {
    const name = segmentKey(segment, "log");
    for (const batch of known.batches) {
      for (const { offset, bytes } of this.#recordsOf(batch)) {
        if (offset < segment.baseOffset || offset >= segment.nextOffset) continue;
        const own = kept.get(offset);
        kept.delete(offset);
        if (own === bytes) continue;
        if (own !== undefined)
          this.#complain("checkBytes", `${name} has another record at ${offset} than was appended`);
        else if (!this.isSuperseded(known, offset, Number.POSITIVE_INFINITY)) {
          this.#complain("checkNoMiss", `${name} misses the last record of its key at ${offset}`);
        }
      }
    }
    for (const offset of kept.keys()) this.#complain("checkBytes", `${name} has a record at ${offset}, of nobody`);
  }

  #recordsOf(batch: TrueBatch): readonly TrueRecord[] {
    let records = this.#records.get(batch);
    if (records === undefined) {
      records = recordsIn(batch.bytes, batch.baseOffset);
      this.#records.set(batch, records);
    }
    return records;
  }

  #complain(check: string, problem: string): void {
    this.#parts.problems.push(`${check}: ${problem}`);
  }
}

/** With true offsets, whatever the batch itself says. */
function recordsIn(batch: Uint8Array, baseOffset: Offset): readonly TrueRecord[] {
  const shift = baseOffset - readBatchHeader(batch).baseOffset;
  return [...readRecords(batch)].map(({ offset, timestampMs, key, value }) => ({
    offset: offset + shift,
    key: text(key),
    bytes: `${timestampMs} ${text(key)} ${text(value)}`,
  }));
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : Buffer.from(bytes).toString("latin1");
}

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  const isSame = (from: number, to: number) => Buffer.compare(a.subarray(from, to), b.subarray(from, to)) === 0;
  return a.byteLength === b.byteLength && isSame(LENGTH_AT, LENGTH_AT + 4) && isSame(MAGIC_AT, a.byteLength);
}

export function partitionsOf(command: LogCommand): readonly string[] {
  switch (command.kind) {
    case "append":
    case "gather":
      return command.parts.map(({ topicId, partitionIndex }) => partitionKey(topicId, partitionIndex));
    case "replace":
    case "advance-log-start":
      return [partitionKey(command.topicId, command.partitionIndex)];
    default:
      return [];
  }
}

/** Segments, then entries, without holes from the log start or before it to the log end. */
function shapeProblems({ segments, entries, logStartOffset, logEndOffset }: PartitionState): readonly string[] {
  const problems: string[] = [];
  const [first] = [...segments, ...entries];
  let next = first?.baseOffset ?? logStartOffset;
  if (next > logStartOffset) problems.push(`it begins at ${next}, behind the log start ${logStartOffset}`);
  for (const { baseOffset, nextOffset } of [...segments, ...entries]) {
    if (baseOffset !== next) problems.push(`what follows ${next} begins at ${baseOffset}`);
    if (nextOffset <= logStartOffset)
      problems.push(`what ends at ${nextOffset} is kept below the log start ${logStartOffset}`);
    next = nextOffset;
  }
  if (next !== logEndOffset) problems.push(`it ends at ${next}, not at the log end ${logEndOffset}`);
  return problems;
}
