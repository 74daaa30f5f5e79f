/** One broken invariant: what it is, where it lies, and what an operator does about it. */
export interface Finding {
  /** In kebab-case, for scripts: `journal-hole`, `object-missing` and so on. */
  readonly kind: string;
  readonly where: string;
  readonly what: string;
  readonly remedy: string;
}

/** One line, as scripts read it. */
export function formatFinding({ kind, where, what, remedy }: Finding): string {
  return `FINDING ${kind} ${where}: ${what}; ${remedy}`.replaceAll(/\s*\n\s*/g, " ");
}

/** What is told and is no broken invariant. */
export interface Note {
  /** `stranger` */
  readonly kind: string;
  readonly where: string;
  readonly what: string;
}

/** One line, as scripts read it. */
export function formatNote({ kind, where, what }: Note): string {
  return `${kind.toUpperCase()} ${where}: ${what}`;
}

export const RESTORE_JOURNAL =
  "stop the broker, keep a copy of the data directory, and bring the journal file back from a backup";
export const RESTORE_OBJECT = "bring the object back from another store or a backup; otherwise its records are lost";

/** What was looked at. */
export interface Tally {
  journals: number;
  records: number;
  snapshots: number;
  partitions: number;
  /** Copies in stores, each read as a whole. */
  objects: number;
  /** Batches whose bytes were held against what their command says. */
  batches: number;
  bytes: number;
  /** Log segments that partitions consist of; their files are counted as objects. */
  segments: number;
  /** Objects that no record names: what a crash before the commit leaves, or what waits for its deletion. Not an error. */
  orphans: number;
  orphanBytes: number;
  /** Objects that Millrace did not write. Not an error, and nobody touches them. */
  strangers: number;
  findings: number;
}

export function emptyTally(): Tally {
  return {
    journals: 0,
    records: 0,
    snapshots: 0,
    partitions: 0,
    objects: 0,
    batches: 0,
    bytes: 0,
    segments: 0,
    orphans: 0,
    orphanBytes: 0,
    strangers: 0,
    findings: 0,
  };
}

/** Where findings go, one at a time, so that a ruined disk does not fill the memory. */
export class Findings {
  readonly tally: Tally = emptyTally();
  readonly #onFinding: (finding: Finding) => void;
  readonly #onNote: (note: Note) => void;

  constructor(onFinding: (finding: Finding) => void, onNote: (note: Note) => void = () => {}) {
    this.#onFinding = onFinding;
    this.#onNote = onNote;
  }

  add(finding: Finding): void {
    this.tally.findings++;
    this.#onFinding(finding);
  }

  /** Told, and not counted as a finding. */
  note(note: Note): void {
    this.#onNote(note);
  }

  /** For what is looked at a second time: findings and counts go nowhere. */
  muted(): Findings {
    return new Findings(() => {});
  }
}
