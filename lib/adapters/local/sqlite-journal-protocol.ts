import { LogError } from "#lib/util/errors.ts";

// What the thread of the event loop and the thread that waits for the disk say to each other: one batch of operations,
// then one list of results in the same order. Journals go by their names, numbers are plain.

export type SqliteOperation =
  | { readonly kind: "append"; readonly journal: string; readonly seq: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "read";
      readonly journal: string;
      readonly from: number;
      readonly recordsMax: number;
      readonly bytesMax: number;
    }
  | { readonly kind: "last"; readonly journal: string }
  | { readonly kind: "trim"; readonly journal: string; readonly upTo: number };

export interface StoredRecord {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

export type SqliteResult =
  | { readonly kind: "appended" }
  | { readonly kind: "conflict"; readonly existing: Uint8Array }
  | { readonly kind: "trimmed" }
  | { readonly kind: "page"; readonly records: readonly StoredRecord[]; readonly isTruncated: boolean }
  | { readonly kind: "done" }
  | SqliteFailure;

export interface SqliteFailure {
  readonly kind: "failure";
  /** `file`: the file itself is wrong and stays so; `passing`: the same call may succeed later. */
  readonly reason: "file" | "passing";
  readonly message: string;
}

export type WorkerMessage =
  | { readonly kind: "opened" }
  | SqliteFailure
  | { readonly kind: "results"; readonly results: readonly SqliteResult[] };

export interface WorkerSettings {
  readonly path: string;
  /** How long to wait for another process' transaction. */
  readonly busyMsMax: number;
  /** Pages the file may have; undefined: as many as the disk takes. */
  readonly pagesMax: number | undefined;
}

/** The journal file is damaged, foreign or of a newer version. The message says what to do. */
export class JournalFileError extends LogError {
  override readonly name = "JournalFileError";
  override readonly kind = "corrupt";
}
