import { JournalSet, type JournalSetOptions, type SetFoldListener } from "#lib/journal/journal-set.ts";
import type { ReplicatedStateView } from "#lib/journal/replicated-state-api.ts";
import { crc32c } from "#lib/record/crc32c.ts";
import { type JournalId, journalId } from "#lib/util/branded.ts";
import type { GroupCommand } from "./group-command.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import type { GroupJournalState } from "./group-state.ts";

export type GroupJournal = ReplicatedStateView<GroupJournalState, GroupCommand, GroupOutcome>;
export type GroupFoldListener = SetFoldListener<GroupJournalState, GroupCommand, GroupOutcome>;
export type GroupJournalsOptions = Omit<JournalSetOptions<GroupJournalState, GroupCommand, GroupOutcome>, "name">;

/** The group journals of this process by number. */
export type GroupJournals = JournalSet<GroupJournalState, GroupCommand, GroupOutcome>;

const NAME = "group";

export function newGroupJournals(options: GroupJournalsOptions): GroupJournals {
  return new JournalSet({ ...options, name: NAME });
}

export function groupJournalId(journalNumber: number): JournalId {
  return journalId(`${NAME}-${journalNumber}`);
}

/**
 * The journal in which a group lives: CRC-32C of its id modulo their number. Every process must say the same for ever, so
 * a deployment's number of group journals is fixed when it begins.
 */
export function groupJournalNumber(groupId: string, journalCount: number): number {
  return crc32c(Buffer.from(groupId, "utf8")) % journalCount;
}
