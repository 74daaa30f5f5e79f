import { FoldedState } from "#lib/journal/folded-state.ts";
import type { JournalPage } from "#lib/journal/journal.ts";
import { decodePointer, type SnapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { type JournalId, type JournalSeq, journalId } from "#lib/util/branded.ts";
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
  for await (const record of journalRecords(pointers, context, () => {})) {
    const where = `journal ${pointers} record ${record.seq}`;
    let pointer: SnapshotPointer;
    try {
      pointer = decodePointer(record);
    } catch (error) {
      context.findings.add({ kind: "snapshot-pointer", where, what: describeError(error), remedy: OLDER_SNAPSHOT });
      continue;
    }
    const restored = await restore(id, machine, pointer, context);
    if (restored === undefined) {
      if (context.objects.mayBeAway(pointer.object.key)) awayAt.push(pointer.seq);
      continue;
    }
    context.findings.tally.snapshots++;
    if (pointer.journalBytes !== restored.journalBytes) {
      const what = `it says ${pointer.journalBytes} bytes of records, its snapshot ${restored.journalBytes}`;
      context.findings.add({ kind: "snapshot-pointer", where, what, remedy: OLDER_SNAPSHOT });
    }
    good.push(pointer);
  }
  return { good, awayAt };
}

/** The state of a snapshot; undefined with findings if it cannot be had. */
export async function restore<S, C, O>(
  id: JournalId,
  machine: StateMachine<S, C, O>,
  pointer: SnapshotPointer,
  context: SnapshotContext,
): Promise<FoldedState<S, C, O> | undefined> {
  const where = `journal ${id} snapshot ${pointer.seq}`;
  const bytes = await context.objects.journalObject(pointer.object, where);
  if (bytes === undefined) return undefined;
  const folded = new FoldedState(id, machine);
  try {
    folded.restore(bytes, pointer.seq);
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
