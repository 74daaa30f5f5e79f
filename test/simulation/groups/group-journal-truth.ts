import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { groupJournalId } from "#lib/coordinator/group-journals.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import type { GroupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { decodeRecord } from "#lib/journal/command-record.ts";
import { FoldedState } from "#lib/journal/folded-state.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import type { Scheduler } from "../scheduler.ts";
import type { GroupTruth } from "./group-truth.ts";

/** The groups' journal, folded in the instant in which each record comes to stand. */
export class GroupJournalTruth {
  readonly problems: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #folded: FoldedState<GroupJournalState, GroupCommand, GroupOutcome>;
  readonly #groups = new Map<string, GroupTruth>();
  readonly #checksums: number[] = [0];
  readonly #recordAtMs: number[] = [0];
  #isBroken = false;

  constructor(scheduler: Scheduler, machine: GroupStateMachine) {
    this.#scheduler = scheduler;
    const fold: GroupStateMachine["fold"] = (state, command, context) => {
      const groupId = command.kind === "drop-topic" ? "" : command.groupId;
      const truth = this.#groups.get(groupId);
      scheduler.trace(`  ${groupId} ${command.kind} ${"memberId" in command ? command.memberId : ""}`);
      const before = truth?.before(state.groups.get(groupId), command);
      const outcome = machine.fold(state, command, context);
      if (before !== undefined) truth?.after(state.groups.get(groupId), command, outcome, before);
      return outcome;
    };
    this.#folded = new FoldedState(groupJournalId(0), { ...machine, fold });
  }

  add(truth: GroupTruth): void {
    this.#groups.set(truth.groupId, truth);
  }

  recordAtMs(seq: JournalSeq): number {
    return this.#recordAtMs[seq] ?? 0;
  }

  checksumAt(seq: JournalSeq): number | undefined {
    return this.#checksums[seq];
  }

  note(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): void {
    if (journal !== groupJournalId(0) || this.#isBroken || seq !== this.#folded.seq + 1) return;
    this.#recordAtMs[seq] = this.#scheduler.elapsedMs;
    try {
      this.#folded.fold(decodeRecord(bytes), new Map());
      this.#checksums[seq] = this.#folded.checksum;
    } catch (error) {
      this.#isBroken = true;
      this.problems.push(`truth: record ${seq}: ${describeError(error)}`);
    }
  }
}
