import type { JournalId, JournalSeq } from "#lib/util/branded.ts";

// What a journal keeps outside itself has a name in which a number of the journal says when nothing can need it any more
// (lib/housekeeping/journal-objects-garbage.ts):
//
//   <journal>/snapshots/<seq, 20>   snapshot of the state at that number
//   <journal>/archive/<seq, 20>     chunk of an archive (archive-chunk.ts); the first pointer to name it stands there or below
//   <journal>/commands/<seq, 20>    large command; its proposer had folded up to that number when it began to upload it

export type ObjectKind = "snapshots" | "archive" | "commands";

export interface ObjectName {
  readonly journal: string;
  readonly kind: ObjectKind;
  readonly seq: JournalSeq;
}

export function objectName(journal: JournalId, kind: ObjectKind, seq: JournalSeq): string {
  return `${journal}/${kind}/${String(seq).padStart(20, "0")}`;
}

const NAME = /^([A-Za-z0-9_-]+)\/(snapshots|archive|commands)\/(\d{20})$/;
const KINDS: readonly ObjectKind[] = ["snapshots", "archive", "commands"];

/** Undefined if `name` is not of this form. */
export function parseObjectName(name: string): ObjectName | undefined {
  const [, journal, kindText, digits] = NAME.exec(name) ?? [];
  const kind = KINDS.find((each) => each === kindText);
  const seq = Number(digits);
  if (journal === undefined || kind === undefined || !Number.isSafeInteger(seq)) return undefined;
  return { journal, kind, seq };
}
