import { type GroupJournals, newGroupJournals } from "#lib/coordinator/group-journals.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import type { GroupSettings } from "#lib/coordinator/shell/group-access.ts";
import { GroupCoordinator } from "#lib/coordinator/shell/group-coordinator.ts";
import type { JournalHousekeeper } from "#lib/housekeeping/journal-housekeeper.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { GROUP_JOURNALS_DEFAULT } from "#lib/util/limits.ts";
import type { JournalPorts } from "./open-journals.ts";

export interface Groups {
  readonly journals: GroupJournals;
  readonly coordinator: GroupCoordinator;
}

/** The half of a broker that knows who reads what. Its journals are opened when somebody first asks for a group. */
export function assembleGroups(
  ports: JournalPorts & { readonly housekeeper: JournalHousekeeper; readonly settings: GroupSettings },
  options: { readonly journalPollMs: number; readonly signal: AbortSignal },
): Groups {
  const { housekeeper, settings, ...opening } = ports;
  const journals = newGroupJournals({
    count: GROUP_JOURNALS_DEFAULT,
    create: (id) => {
      const state = new ReplicatedState({ id, machine: groupStateMachine, ...opening });
      housekeeper.add(state);
      return state;
    },
    signal: options.signal,
  });
  const coordinator = new GroupCoordinator({ ...opening, ...options, journals, settings });
  return { journals, coordinator };
}
