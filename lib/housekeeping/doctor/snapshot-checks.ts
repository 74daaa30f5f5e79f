import { decodeChunk } from "#lib/journal/archive-chunk.ts";
import { objectsToRead } from "#lib/journal/command-object.ts";
import { decodeRecord } from "#lib/journal/command-record.ts";
import { FoldedState } from "#lib/journal/folded-state.ts";
import type { JournalPage, JournalRecord } from "#lib/journal/journal.ts";
import type { JournalObjectRef } from "#lib/journal/journal-objects.ts";
import { type ArchiveChunk, decodePointer, objectsOf, type SnapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { isObjectKey } from "#lib/storage/object-keys.ts";
import { type JournalId, type JournalSeq, journalId, objectKey } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { JOURNAL_PAGE_BYTES_MAX, JOURNAL_PAGE_RECORDS_MAX } from "#lib/util/limits.ts";
import { type Findings, RESTORE_JOURNAL } from "./finding.ts";
import type { ObjectExam } from "./object-exam.ts";
import type { DoctorPorts } from "./ports.ts";

const OLDER_SNAPSHOT = "an older snapshot serves in its place; if there is none, bring the object back from a backup";

export interface SnapshotContext {
  readonly ports: DoctorPorts;
  readonly objects: ObjectExam;
  readonly findings: Findings;
  readonly signal: AbortSignal;
}

/** The records of a journal, page by page. Where they cannot be read it ends with a finding, and calls `onBroken`. */
export async function* journalRecords(id: JournalId, context: SnapshotContext, onBroken: () => void) {
  for (let from = 1; ; ) {
    const page = await readPage(id, from, context);
    if (page === undefined) {
      onBroken();
      return;
    }
    for (const record of page.records) {
      context.findings.tally.records++;
      context.findings.tally.bytes += record.bytes.byteLength;
      yield record;
    }
    const last = page.records.at(-1);
    if (last === undefined || !page.isTruncated) return;
    from = last.seq + 1;
  }
}

/** Whether the record is there still: it may have been trimmed since it was read. */
export async function isStillThere(
  id: JournalId,
  seq: JournalSeq,
  { ports, signal }: SnapshotContext,
): Promise<boolean> {
  const limits = { recordsMax: 1, bytesMax: JOURNAL_PAGE_BYTES_MAX, consistency: "strong" } as const;
  try {
    const page = await ports.journals.read(id, { from: seq, ...limits }, signal);
    return page.records[0]?.seq === seq;
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return true;
  }
}

async function readPage(id: JournalId, from: JournalSeq, context: SnapshotContext): Promise<JournalPage | undefined> {
  const limits = { recordsMax: JOURNAL_PAGE_RECORDS_MAX, bytesMax: JOURNAL_PAGE_BYTES_MAX };
  try {
    return await context.ports.journals.read(id, { from, ...limits, consistency: "strong" }, context.signal);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    const what = `what follows cannot be read: ${describeError(error)}`;
    const where = `journal ${id} record ${from}`;
    context.findings.add({ kind: "journal-unreadable", where, what, remedy: RESTORE_JOURNAL });
    return undefined;
  }
}

export interface ReadSnapshots {
  /** Those that can be restored, oldest first. */
  readonly good: readonly SnapshotPointer[];
  /** Numbers of those that may be whole in a store that is away. */
  readonly awayAt: readonly JournalSeq[];
}

/** The pointers of a journal. What is wrong with one or with its snapshot becomes a finding. */
export async function readSnapshots<S, C, O>(
  id: JournalId,
  machine: StateMachine<S, C, O>,
  context: SnapshotContext,
): Promise<ReadSnapshots> {
  const good: SnapshotPointer[] = [];
  const awayAt: JournalSeq[] = [];
  const pointers = journalId(`${id}/snapshots`);
  const exam = new PointerExam(id, machine, context);
  for await (const record of journalRecords(pointers, context, () => {})) {
    const where = `journal ${pointers} record ${record.seq}`;
    let pointer: SnapshotPointer;
    try {
      pointer = decodePointer(record);
    } catch (error) {
      context.findings.add({ kind: "snapshot-pointer", where, what: describeError(error), remedy: OLDER_SNAPSHOT });
      continue;
    }
    const journalBytes = await exam.journalBytes(pointer);
    if (journalBytes === undefined) {
      if (objectsOf(pointer).some(({ key }) => context.objects.mayBeAway(key))) awayAt.push(pointer.seq);
      continue;
    }
    context.findings.tally.snapshots++;
    if (pointer.journalBytes !== journalBytes) {
      const what = `it says ${pointer.journalBytes} bytes of records, what it names ${journalBytes}`;
      context.findings.add({ kind: "snapshot-pointer", where, what, remedy: OLDER_SNAPSHOT });
    }
    good.push(pointer);
  }
  return { good, awayAt };
}

/**
 * Looks at what pointers name, each object once: between two snapshots each pointer names all that the one before it does.
 */
class PointerExam<S, C, O> {
  readonly #id: JournalId;
  readonly #machine: StateMachine<S, C, O>;
  readonly #context: SnapshotContext;
  /** The bytes of the records that an object stands for, by its key; undefined if it is no good. */
  readonly #bytesOf = new Map<string, number | undefined>();

  constructor(id: JournalId, machine: StateMachine<S, C, O>, context: SnapshotContext) {
    this.#id = id;
    this.#machine = machine;
    this.#context = context;
  }

  /** The bytes of all records up to the pointer's number; undefined, with findings, if they cannot all be had. */
  async journalBytes(pointer: SnapshotPointer): Promise<number | undefined> {
    let sum = await this.#once(pointer.object.key, async () => {
      const isStillNamed = () => this.#isStillThere(pointer);
      return (await restoreSnapshot({ id: this.#id, machine: this.#machine, isStillNamed }, pointer, this.#context))
        ?.journalBytes;
    });
    let after = pointer.snapshotSeq;
    for (const chunk of pointer.chunks) {
      const chunkAfter = after;
      const bytes = await this.#once(chunk.object.key, async () => {
        const place = { id: this.#id, after: chunkAfter, isStillNamed: () => this.#isStillThere(pointer) };
        const records = await readChunk(place, chunk, this.#context);
        return records?.reduce((total, record) => total + record.bytes.byteLength, 0);
      });
      sum = sum === undefined || bytes === undefined ? undefined : sum + bytes;
      after = chunk.lastSeq;
    }
    return sum;
  }

  async #once(key: string, examine: () => Promise<number | undefined>): Promise<number | undefined> {
    if (this.#bytesOf.has(key)) return this.#bytesOf.get(key);
    const bytes = await examine();
    // Where its pointer is trimmed meanwhile, the next one that names it tells.
    if (isObjectKey(key) && this.#context.objects.isExamined(objectKey(key))) this.#bytesOf.set(key, bytes);
    return bytes;
  }

  #isStillThere(pointer: SnapshotPointer): Promise<boolean> {
    return isStillThere(journalId(`${this.#id}/snapshots`), pointer.seq, this.#context);
  }
}

/** The state that a pointer leads to; undefined, with findings, if it cannot be had. */
export async function restore<S, C, O>(
  id: JournalId,
  machine: StateMachine<S, C, O>,
  pointer: SnapshotPointer,
  context: SnapshotContext,
): Promise<FoldedState<S, C, O> | undefined> {
  const isStillNamed = () => isStillThere(journalId(`${id}/snapshots`), pointer.seq, context);
  const folded = await restoreSnapshot({ id, machine, isStillNamed }, pointer, context);
  if (folded === undefined) return undefined;
  for (const chunk of pointer.chunks) {
    const records = await readChunk({ id, after: folded.seq, isStillNamed }, chunk, context);
    if (records === undefined) return undefined;
    for (const { seq, bytes } of records) {
      const where = `journal ${id} record ${seq}`;
      try {
        const record = decodeRecord(bytes);
        folded.fold(record, await readBodies(objectsToRead(record, seq), { where, isStillNamed }, context));
      } catch (error) {
        context.findings.add({ kind: "archive-damaged", where, what: describeError(error), remedy: OLDER_SNAPSHOT });
        return undefined;
      }
    }
  }
  return folded;
}

/** The bodies of a record's commands that lie in `objects`, by their index, as far as they can be had. */
export async function readBodies(
  objects: ReadonlyMap<number, JournalObjectRef>,
  { where, isStillNamed }: { readonly where: string; readonly isStillNamed: () => Promise<boolean> },
  context: SnapshotContext,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const bodies = new Map<number, Uint8Array>();
  for (const [index, ref] of objects) {
    const body = await context.objects.journalObject(ref, where, isStillNamed);
    if (body !== undefined) bodies.set(index, body);
  }
  return bodies;
}

async function readChunk(
  {
    id,
    after,
    isStillNamed,
  }: { readonly id: JournalId; readonly after: JournalSeq; readonly isStillNamed: () => Promise<boolean> },
  chunk: ArchiveChunk,
  context: SnapshotContext,
): Promise<readonly JournalRecord[] | undefined> {
  const where = `journal ${id} archive ${chunk.lastSeq}`;
  const bytes = await context.objects.journalObject(chunk.object, where, isStillNamed);
  if (bytes === undefined) return undefined;
  try {
    return decodeChunk(bytes, after, chunk.lastSeq);
  } catch (error) {
    context.findings.add({ kind: "archive-damaged", where, what: describeError(error), remedy: OLDER_SNAPSHOT });
    return undefined;
  }
}

async function restoreSnapshot<S, C, O>(
  {
    id,
    machine,
    isStillNamed,
  }: {
    readonly id: JournalId;
    readonly machine: StateMachine<S, C, O>;
    readonly isStillNamed: () => Promise<boolean>;
  },
  pointer: SnapshotPointer,
  context: SnapshotContext,
): Promise<FoldedState<S, C, O> | undefined> {
  const where = `journal ${id} snapshot ${pointer.snapshotSeq}`;
  const bytes = await context.objects.journalObject(pointer.object, where, isStillNamed);
  if (bytes === undefined) return undefined;
  const folded = new FoldedState(id, machine);
  try {
    folded.restore(bytes, pointer.snapshotSeq);
    // The bytes have the hash that the pointer names, so a difference is a fault of the codec, not of the disk.
    if (Buffer.compare(folded.encodeSnapshot(), bytes) !== 0) {
      const what = "decoding and encoding it again gives other bytes";
      const remedy = "report a bug with a copy of the data directory";
      context.findings.add({ kind: "snapshot-codec", where, what, remedy });
    }
    return folded;
  } catch (error) {
    context.findings.add({ kind: "snapshot-damaged", where, what: describeError(error), remedy: OLDER_SNAPSHOT });
    return undefined;
  }
}
