import type { JournalId, JournalSeq, ObjectKey } from "#lib/util/branded.ts";

/** Consecutive bytes of an object: those of one partition in one flush. */
export interface RecentPart {
  /** Where the part begins in the object. */
  readonly position: number;
  readonly chunks: readonly Uint8Array[];
  readonly byteLength: number;
}

/** Memory that may be wanted back. */
export interface EvictableMemory {
  /** Calls back, once, before the memory is used again. */
  keep(onEvicted: () => void): void;
}

/** Where the append path leaves what it wrote, so that tail readers need no store. May forget anything at any time. */
export interface RecentBytes {
  /**
   * Called when the object is written and its command is about to be proposed: a fold may name it at any moment. The
   * parts lie in `memory`, if there is any, which is used again when it has been evicted.
   */
  addObject(key: ObjectKey, parts: readonly RecentPart[], memory: EvictableMemory | undefined): void;
  /** Bytes that travel in a journal record: a view into the record, whoever wrote it. */
  addInline(journal: JournalId, seq: JournalSeq, indexInRecord: number, bytes: Uint8Array): void;
}
