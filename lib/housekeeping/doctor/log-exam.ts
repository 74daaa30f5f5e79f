import type { AppendCommand, LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import type { LogState, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { checkInlineFilled, checkParts } from "./append-checks.ts";
import { RESTORE_JOURNAL, RESTORE_OBJECT } from "./finding.ts";
import { JournalWalk, type WalkedRecord } from "./journal-walk.ts";
import type { ObjectClaim } from "./object-exam.ts";
import type { SnapshotContext } from "./snapshot-checks.ts";
import { checkLogState } from "./state-checks.ts";
import { parseBatchRun } from "./state-entries.ts";

type LogWalk = JournalWalk<LogState, LogCommand, LogOutcome>;

interface Stepped {
  readonly walk: LogWalk;
  readonly records: AsyncGenerator<WalkedRecord<LogCommand>>;
  readonly record: WalkedRecord<LogCommand>;
}

/**
 * Walks all log journals side by side, always the one whose next record was proposed first: the journals that share an
 * object name it at about the same time, so that it is read once.
 */
export async function examineLogJournals(
  numbers: readonly number[],
  context: SnapshotContext,
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
      if (command.kind === "append") await examineAppend(command, `journal ${walk.id} record ${record.seq}`, context);
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

async function examineAppend(command: AppendCommand, where: string, context: SnapshotContext): Promise<void> {
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
    const partition = `${part.topicId}-${part.partitionIndex}`;
    const place = isInline ? "its inlined bytes" : `object ${source.key}`;
    const what = `${place}, byte ${position}, partition ${partition}: ${problem}`;
    findings.add({ kind: "batch", where, what, remedy });
  }
  const gap = isInline ? checkInlineFilled(bytes, parts) : undefined;
  if (gap !== undefined) findings.add({ kind: "batch", where, what: gap, remedy });
  for (const part of parts) findings.tally.batches += part.batches.length;
}

/**
 * Checks the states at the journals' ends, and the objects that they need and that no record has led to, because the
 * record is trimmed or damaged.
 */
export async function examineLogStates(
  states: ReadonlyMap<number, LogState | undefined>,
  context: SnapshotContext,
): Promise<void> {
  const unseen = new Map<ObjectKey, { readonly claim: ObjectClaim; readonly uses: EntryUse[] }>();
  for (const [number, state] of states) {
    // Where the last state is not known, anything may still be needed.
    if (state === undefined) context.objects.reportAllNeeded();
    else for (const finding of checkLogState(logJournalId(number), state)) context.findings.add(finding);
    for (const partition of state?.partitions.values() ?? []) {
      context.findings.tally.partitions++;
      for (const entry of partition.entries) {
        if (entry.place.kind !== "object") continue;
        const claim = entry.place;
        if (context.objects.isNamed(claim.key)) {
          context.objects.reportNeeded(claim.key);
          continue;
        }
        const known = unseen.get(claim.key);
        if (known === undefined) unseen.set(claim.key, { claim, uses: [{ partition, entry }] });
        else known.uses.push({ partition, entry });
      }
    }
  }
  for (const { claim, uses } of unseen.values()) await examineEntries(claim, uses, context);
}

interface EntryUse {
  readonly partition: PartitionState;
  readonly entry: WriteAheadEntry;
}

async function examineEntries(claim: ObjectClaim, uses: readonly EntryUse[], context: SnapshotContext): Promise<void> {
  const bytes = await context.objects.segment(claim, `the state of its journal`);
  context.objects.reportNeeded(claim.key);
  if (bytes === undefined) return;
  for (const { partition, entry } of uses) {
    const run = parseBatchRun(bytes, entry);
    context.findings.tally.batches += run.batchCount;
    for (const problem of run.problems) {
      const where = `object ${claim.key}`;
      const what = `partition ${partition.topicId}-${partition.partitionIndex}, offset ${entry.baseOffset}: ${problem}`;
      context.findings.add({ kind: "batch", where, what, remedy: RESTORE_OBJECT });
    }
  }
}
