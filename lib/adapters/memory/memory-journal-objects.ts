import type { JournalObjectRef, JournalObjects } from "#lib/journal/journal-objects.ts";
import { hasHash, hashOf, JournalObjectLostError } from "#lib/journal/journal-objects.ts";

/** Journals' objects in memory, as one store; several processes may share it. */
export class MemoryJournalObjects implements JournalObjects {
  readonly #objects = new Map<string, Uint8Array>();
  #count = 0;

  async put(name: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<JournalObjectRef> {
    signal.throwIfAborted();
    const key = `${name}/${this.#count++}`;
    const bytes = new Uint8Array(Buffer.concat(chunks));
    this.#objects.set(key, bytes);
    return { key, byteLength: bytes.byteLength, hash: hashOf([bytes]), copies: [0] };
  }

  async get(ref: JournalObjectRef, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    const bytes = this.#objects.get(ref.key);
    if (bytes === undefined) throw new JournalObjectLostError(ref.key, "it does not exist");
    if (!hasHash(bytes, ref))
      throw new JournalObjectLostError(ref.key, "its bytes do not have the hash of its reference");
    return bytes;
  }

  get keys(): readonly string[] {
    return [...this.#objects.keys()];
  }

  delete(key: string): void {
    this.#objects.delete(key);
  }

  /** Flips one bit, as a rotten disk would. */
  damage(key: string): void {
    const bytes = this.#objects.get(key);
    if (bytes?.[0] !== undefined) bytes[bytes.byteLength >>> 1] = (bytes[bytes.byteLength >>> 1] ?? 0) ^ 1;
  }
}
