import type { ObjectKey } from "#lib/util/branded.ts";
import { BLOCK_BYTES, READ_OBJECTS_REMEMBERED_MAX } from "#lib/util/limits.ts";
import type { ObjectRef } from "./copy-reader.ts";
import type { ByteRange } from "./object-store.ts";

interface Progress {
  /** Where the last read ended. */
  readonly readUntil: number;
  /** What has been asked for ahead of it. */
  readonly aheadUntil: number;
}

/** Knows sequential readers and says what to load for them next, in steps of at least half the distance. */
export class ReadAheadTracker {
  readonly #readAheadBytes: number;
  readonly #progress = new Map<ObjectKey, Progress>();

  constructor(readAheadBytes: number) {
    this.#readAheadBytes = readAheadBytes;
  }

  /** What to load ahead now that `range` is read; undefined if nothing. */
  next(object: ObjectRef, range: ByteRange): ByteRange | undefined {
    const end = range.position + range.byteLength;
    if (this.#readAheadBytes === 0 || end >= object.byteLength) return undefined;
    const before = this.#progress.get(object.key);
    const isSequential = before !== undefined && Math.abs(range.position - before.readUntil) <= BLOCK_BYTES;
    const from = isSequential ? Math.max(end, before.aheadUntil) : end;
    const until = Math.min(end + this.#readAheadBytes, object.byteLength);
    const isDue =
      isSequential && (until - from >= this.#readAheadBytes / 2 || (until === object.byteLength && until > from));
    this.#remember(object.key, { readUntil: end, aheadUntil: isDue ? until : from });
    return isDue ? { position: from, byteLength: until - from } : undefined;
  }

  /** What `next` answered last for the object could not be begun: it is asked for again with the next read. */
  refused(object: ObjectRef, { position }: ByteRange): void {
    const progress = this.#progress.get(object.key);
    if (progress !== undefined) this.#remember(object.key, { ...progress, aheadUntil: position });
  }

  #remember(key: ObjectKey, progress: Progress): void {
    this.#progress.delete(key);
    this.#progress.set(key, progress);
    for (const oldest of this.#progress.keys()) {
      if (this.#progress.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#progress.delete(oldest);
    }
  }
}
