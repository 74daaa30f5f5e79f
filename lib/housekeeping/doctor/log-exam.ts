import type { AppendCommand, GatherCommand, LogCommand, LogOutcome, ReplaceCommand } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import type { LogState, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { segmentFiles, segmentKey } from "#lib/log/segments.ts";
import { parseWriteAheadKey } from "#lib/storage/object-keys.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { checkInlineFilled, checkParts } from "./append-checks.ts";
import { RESTORE_JOURNAL, RESTORE_OBJECT } from "./finding.ts";
import { JournalWalk, type WalkedRecord } from "./journal-walk.ts";
import type { ObjectClaim } from "./object-exam.ts";
import type { SegmentExam } from "./segment-exam.ts";
import type { SnapshotContext } from "./snapshot-checks.ts";
import { checkLogState, checkSegmentFacts, type TopicName } from "./state-checks.ts";
import { parseBatchRun } from "./state-entries.ts";

type LogWalk = JournalWalk<LogState, LogCommand, LogOutcome>;

interface Stepped {
  readonly walk: LogWalk;
  readonly records: AsyncGenerator<WalkedRecord<LogCommand>>;
  readonly record: WalkedRecord<LogCommand>;
}

export interface LogContext extends SnapshotContext {
  readonly topicName: TopicName;
}

/**
 * Walks all log journals side by side, always the one whose next record was proposed first: the journals that share an
 * object name it at about the same time, so that it is read once.
 */
export async function examineLogJournals(
  numbers: readonly number[],
  context: LogContext,
): Promise<ReadonlyMap<number, LogState | undefined>> {
  const walks = numbers.map((number) => ({
    number,
    walk: new JournalWalk(logJournalId(number), logStateMachine, context),
  }));
  const next: Stepped[] = [];
  for (const { walk } of walks) await advance(next, walk, walk.records());
  for (let step = takeEarliest(next); step !== undefined; step = takeEarliest(next)) {
    const { walk, records, record } = step;
    for (const command of record.commands) {
      const where = `journal ${walk.id} record ${record.seq}`;
      if (command.kind === "append") await examineAppend(command, where, context);
      else if (command.kind === "replace") examineReplace(command, where, context);
      else if (command.kind === "gather") examineGather(command, where, context);
    }
    await advance(next, walk, records);
  }
  return new Map(walks.map(({ number, walk }) => [number, walk.state]));
}

async function advance(next: Stepped[], walk: LogWalk, records: Stepped["records"]): Promise<void> {
  const result = await records.next();
  if (result.done !== true) next.push({ walk, records, record: result.value });
}

function takeEarliest(next: Stepped[]): Stepped | undefined {
  let earliest: number | undefined;
  for (const [index, { record }] of next.entries()) {
    if (earliest === undefined || record.proposedAtMs < (next[earliest]?.record.proposedAtMs ?? 0)) earliest = index;
  }
  return earliest === undefined ? undefined : next.splice(earliest, 1)[0];
}

async function examineAppend(command: AppendCommand, where: string, context: LogContext): Promise<void> {
  const { source, parts } = command;
  const bytes =
    source.kind === "inline"
      ? source.bytes
      : await context.objects.segment({ ...source, flushId: command.flushId }, where);
  if (bytes === undefined) return;
  const { findings } = context;
  const isInline = source.kind === "inline";
  const remedy = isInline ? RESTORE_JOURNAL : RESTORE_OBJECT;
  for (const { part, position, problem } of checkParts(bytes, parts)) {
    const partition = `${context.topicName(part.topicId)}-${part.partitionIndex}`;
    const place = isInline ? "its inlined bytes" : `object ${source.key}`;
    const what = `${place}, byte ${position}, partition ${partition}: ${problem}`;
    findings.add({ kind: "batch", where, what, remedy });
  }
  const gap = isInline ? checkInlineFilled(bytes, parts) : undefined;
  if (gap !== undefined) findings.add({ kind: "batch", where, what: gap, remedy });
  for (const part of parts) findings.tally.batches += part.batches.length;
}

/** What the segments say of themselves; their bytes are read if the state at the end needs them. */
function examineReplace(command: ReplaceCommand, where: string, { findings, objects }: LogContext): void {
  for (const segment of command.segments) {
    for (const what of checkSegmentFacts(segment, command.partitionIndex)) {
      findings.add({ kind: "segment-facts", where, what, remedy: RESTORE_JOURNAL });
    }
    for (const { key } of segmentFiles(segment)) objects.noteNamed(key);
  }
}

/** The object is read if the state at the end needs it. */
function examineGather(command: GatherCommand, where: string, { findings, objects }: LogContext): void {
  objects.noteNamed(command.key);
  const { key, flushId } = command;
  if (parseWriteAheadKey(key)?.flushId === flushId) return;
  const what = `its object ${key} has not the name of its flush ${flushId}`;
  findings.add({ kind: "object-key", where, what, remedy: RESTORE_JOURNAL });
}

/** Something wrong with an object that a state needs, unless it needs it no more when it is asked again. */
interface Suspect {
  readonly journalNumber: number;
  readonly key: ObjectKey;
  readonly report: () => void;
}

interface EntryUse {
  readonly journalNumber: number;
  readonly partition: PartitionState;
  readonly entry: WriteAheadEntry;
}

/**
 * Checks the states at the journals' ends, the log segments that they need, and the write-ahead objects that they need and
 * that no record has led to, because the record is trimmed or damaged. While brokers run, what a state needs may be
 * replaced and deleted before its turn comes: what is amiss is told only if the journal, read again, still needs it.
 */
export async function examineLogStates(
  states: ReadonlyMap<number, LogState | undefined>,
  segments: SegmentExam,
  context: LogContext,
): Promise<void> {
  const suspects: Suspect[] = [];
  const unseen = new Map<ObjectKey, { readonly claim: ObjectClaim; readonly uses: EntryUse[] }>();
  const suspectObject = (journalNumber: number, key: ObjectKey): void => {
    if (!context.objects.hasTrouble(key)) return;
    suspects.push({ journalNumber, key, report: () => context.objects.reportNeeded(key) });
  };
  for (const [journalNumber, state] of states) {
    // Where the last state is not known, anything may still be needed.
    if (state === undefined) context.objects.reportAllNeeded();
    else
      for (const finding of checkLogState(logJournalId(journalNumber), state, context.topicName))
        context.findings.add(finding);
    for (const partition of state?.partitions.values() ?? []) {
      context.findings.tally.partitions++;
      for (const segment of partition.segments) {
        const report = await segments.examine(segment, nameOf(partition, context));
        if (report !== undefined) suspects.push({ journalNumber, key: segmentKey(segment, "log"), report });
      }
      for (const entry of partition.entries) {
        if (entry.place.kind !== "object") continue;
        const claim = entry.place;
        if (context.objects.isExamined(claim.key)) {
          suspectObject(journalNumber, claim.key);
          continue;
        }
        const known = unseen.get(claim.key);
        const use = { journalNumber, partition, entry };
        if (known === undefined) unseen.set(claim.key, { claim, uses: [use] });
        else known.uses.push(use);
      }
    }
  }
  for (const { claim, uses } of unseen.values()) {
    await examineEntries(claim, uses, context);
    for (const { journalNumber } of uses) suspectObject(journalNumber, claim.key);
  }
  for (const { report } of await stillNeeded(suspects, context)) report();
}

async function stillNeeded(suspects: readonly Suspect[], context: LogContext): Promise<readonly Suspect[]> {
  const needed: Suspect[] = [];
  for (const journalNumber of new Set(suspects.map((each) => each.journalNumber))) {
    const own = suspects.filter((each) => each.journalNumber === journalNumber);
    const walk = new JournalWalk(logJournalId(journalNumber), logStateMachine, {
      ...context,
      findings: context.findings.muted(),
    });
    for await (const _record of walk.records());
    const keys = walk.state === undefined ? undefined : neededKeys(walk.state);
    needed.push(...own.filter(({ key }) => keys?.has(key) !== false));
  }
  return needed;
}

/** The write-ahead objects and the logs of segments that a state needs. */
function neededKeys({ partitions }: LogState): ReadonlySet<ObjectKey> {
  const keys = new Set<ObjectKey>();
  for (const { entries, segments } of partitions.values()) {
    for (const { place } of entries) if (place.kind === "object") keys.add(place.key);
    for (const segment of segments) keys.add(segmentKey(segment, "log"));
  }
  return keys;
}

function nameOf({ topicId, partitionIndex }: PartitionState, { topicName }: LogContext): string {
  return `partition ${topicName(topicId)}-${partitionIndex}`;
}

async function examineEntries(claim: ObjectClaim, uses: readonly EntryUse[], context: LogContext): Promise<void> {
  const bytes = await context.objects.segment(claim, `the state of its journal`);
  if (bytes === undefined) return;
  for (const { partition, entry } of uses) {
    const run = parseBatchRun(bytes, entry);
    context.findings.tally.batches += run.batchCount;
    for (const problem of run.problems) {
      const where = `object ${claim.key}`;
      const what = `${nameOf(partition, context)}, offset ${entry.baseOffset}: ${problem}`;
      context.findings.add({ kind: "batch", where, what, remedy: RESTORE_OBJECT });
    }
  }
}
