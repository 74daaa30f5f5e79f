import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import { type GroupJournals, newGroupJournals } from "#lib/coordinator/group-journals.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { GroupCoordinator } from "#lib/coordinator/shell/group-coordinator.ts";
import type { JournalHousekeeper } from "#lib/housekeeping/journal-housekeeper.ts";
import { OffsetExpirer } from "#lib/housekeeping/offset-expirer.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { GROUP_JOURNALS_DEFAULT } from "#lib/util/limits.ts";
import { ClusterGroupTopics } from "./cluster-group-topics.ts";
import type { JournalPorts } from "./open-journals.ts";

export interface Groups {
  readonly journals: GroupJournals;
  readonly coordinator: GroupCoordinator;
  readonly offsetExpirer: OffsetExpirer;
  /** Observes all groups and expires offsets until the broker stops. Never rejects. */
  run(): Promise<void>;
}

/** The half of a broker that knows who reads what. */
export function assembleGroups(
  ports: JournalPorts & {
    readonly housekeeper: JournalHousekeeper;
    readonly cluster: ClusterView;
    readonly clusterJournal: ClusterJournal;
  },
  options: { readonly journalPollMs: number; readonly signal: AbortSignal },
): Groups {
  const { housekeeper, cluster, clusterJournal: _, ...opening } = ports;
  const { logger } = ports;
  const { journalPollMs, signal } = options;
  const journals = newGroupJournals({
    count: GROUP_JOURNALS_DEFAULT,
    create: (id) => {
      const state = new ReplicatedState({ id, machine: groupStateMachine, ...opening });
      housekeeper.add(state);
      return state;
    },
    signal,
  });
  const topics = new ClusterGroupTopics(cluster, ports.clusterJournal, { clock: ports.clock, signal });
  const coordinator = new GroupCoordinator({ ...opening, journals, topics, journalPollMs, signal });
  const expirer = new OffsetExpirer({ ...ports, journals });
  return {
    journals,
    coordinator,
    offsetExpirer: expirer,
    async run() {
      try {
        // Members whose process is gone expire although nobody asks for their groups.
        await coordinator.observeAll(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn("groups are observed when asked for", { error: describeError(error) });
      }
      await expirer.run(signal);
    },
  };
}
