import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { type GroupJournals, newGroupJournals } from "#lib/coordinator/group-journals.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

export const NEVER = new AbortController().signal;

/** One journal service, with the group journals of as many processes as a test starts. */
export class GroupWorld {
  readonly clock = new ManualClock();
  readonly journalService = new MemoryJournalService(this.clock);
  readonly journalCount: number;
  readonly #objects = new MemoryJournalObjects();
  #seed = 1;

  constructor(journalCount = 1) {
    this.journalCount = journalCount;
  }

  process(faults?: JournalFaultPlan): GroupJournals {
    return newGroupJournals({
      count: this.journalCount,
      create: (id) =>
        new ReplicatedState({
          id,
          machine: groupStateMachine,
          journal: this.journalService.connect(faults),
          objects: this.#objects,
          clock: this.clock,
          random: new SeededRandom(this.#seed++),
          logger: SILENT_LOGGER,
        }),
      signal: NEVER,
    });
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
}
