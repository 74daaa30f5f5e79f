import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { groupJournalId } from "#lib/coordinator/group-journals.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import type { JournalId, TopicId } from "#lib/util/branded.ts";
import { type Findings, RESTORE_JOURNAL } from "./finding.ts";
import { JournalWalk } from "./journal-walk.ts";
import { examineLogJournals, examineLogStates } from "./log-exam.ts";
import { ObjectExam } from "./object-exam.ts";
import type { DoctorPorts } from "./ports.ts";
import { SegmentExam } from "./segment-exam.ts";
import type { SnapshotContext } from "./snapshot-checks.ts";
import { checkPlacement } from "./state-checks.ts";
import { checkMarkers, countOrphans } from "./store-checks.ts";
import { StorePresence } from "./store-presence.ts";

// The order matters while a broker runs. The cluster journal is read before and after the log journals, so that a topic
// that comes or goes meanwhile is known to one of the two states. Objects are listed last: what is committed meanwhile
// may be counted as an orphan, but nothing that is there is missed.

/** Checks every invariant of journals and stores that bytes can show. Reads only, one page or object at a time. */
export async function examine(ports: DoctorPorts, findings: Findings, signal: AbortSignal): Promise<void> {
  const presence = await StorePresence.of(ports, signal);
  const objects = new ObjectExam({ ports, presence, findings, signal });
  const context: SnapshotContext = { ports, objects, findings, signal };
  const ids = await ports.journals.list(signal);
  const before = await foldCluster(context);
  presence.learn(before, ports);
  if (!ids.includes(CLUSTER_JOURNAL_ID)) {
    const what = "it has no record: no topic and no store is known";
    findings.add({ kind: "journal-missing", where: `journal ${CLUSTER_JOURNAL_ID}`, what, remedy: RESTORE_JOURNAL });
  }
  const numbers = journalNumbers(ids, findings);
  const logContext = { ...context, topicName: (id: TopicId) => before?.topics.get(id)?.name ?? id };
  const states = await examineLogJournals(numbers.log, logContext);
  for (const number of numbers.group) await walkWhole(groupJournalId(number), groupStateMachine, context);
  await examineLogStates(states, new SegmentExam({ ports, presence, findings, signal }, objects), logContext);
  const after = await foldCluster({ ...context, findings: findings.muted() });
  const clusters = [before, after].filter((state) => state !== undefined);
  for (const [number, state] of states) {
    if (state === undefined || clusters.length === 0) continue;
    for (const finding of checkPlacement(number, state, clusters)) findings.add(finding);
  }
  presence.learn(after, ports);
  presence.report(findings);
  await checkMarkers(after ?? before, { ...context, presence });
  await countOrphans({ ...context, presence }, (key) => objects.isNamed(key));
}

function foldCluster(context: SnapshotContext): Promise<ClusterState | undefined> {
  return walkWhole(CLUSTER_JOURNAL_ID, clusterStateMachine, context);
}

/** Folds a journal from its beginning or its snapshot to its end; the state there, undefined if it cannot be had. */
async function walkWhole<State, Command, Outcome>(
  id: JournalId,
  machine: StateMachine<State, Command, Outcome>,
  context: SnapshotContext,
): Promise<State | undefined> {
  const walk = new JournalWalk(id, machine, context);
  const records = walk.records();
  while ((await records.next()).done !== true);
  return walk.state;
}

interface JournalNumbers {
  readonly log: readonly number[];
  readonly group: readonly number[];
}

/** The numbers of the log and group journals, ascending. A name that no journal has is what a damaged table of names shows. */
function journalNumbers(ids: readonly JournalId[], findings: Findings): JournalNumbers {
  const log = new Set<number>();
  const group = new Set<number>();
  for (const id of ids) {
    const match = /^(?:cluster|(log|group)-(\d{1,9}))(?:\/snapshots)?$/.exec(id);
    if (match === null) {
      const what = "no journal of this version has that name";
      const remedy = `run a newer version if there is one; otherwise ${RESTORE_JOURNAL}`;
      findings.add({ kind: "journal-name", where: `journal ${id}`, what, remedy });
    } else if (match[2] !== undefined) (match[1] === "log" ? log : group).add(Number(match[2]));
  }
  return { log: ascending(log), group: ascending(group) };
}

function ascending(numbers: ReadonlySet<number>): readonly number[] {
  return [...numbers].sort((a, b) => a - b);
}
