import type { ByteRange } from "#lib/storage/object-store.ts";
import { ReadMemory } from "#lib/storage/read-memory.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";
import type { JournalId, JournalSeq, ObjectKey } from "#lib/util/branded.ts";
import { copyChunks, joinChunks } from "#lib/util/join-chunks.ts";
import { sliceChunks } from "./entry-chunks.ts";
import type { EvictableMemory, RecentBytes, RecentPart } from "./recent-bytes.ts";

/** What keeping one part costs beside its bytes: the arrays, views and map slots around them, roughly. */
const PART_OVERHEAD_BYTES = 256;
/** Views that keep more than this many times their own size alive are copied. */
const RETAINED_FACTOR_MAX = 4;

interface Held {
  /** Ascending positions. */
  readonly parts: RecentPart[];
  /** Distinct memory blocks that the parts keep alive. */
  readonly buffers: Set<ArrayBufferLike>;
}

/**
 * Bytes that were written or folded lately, by their place: tail readers need neither store nor journal.
 *
 * Objects that this process wrote lie in the memory that they were written from, until it is wanted for newer ones; that
 * memory bounds itself. Other parts are views into what arrived, journal records mostly, so a part of a few bytes may keep
 * a large block alive. The bound therefore counts whole memory blocks, each once, however many views and objects share it.
 * The least recently used object goes first, with all its parts: they came together and their readers are as far behind.
 */
export class TailCache implements RecentBytes {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  readonly #held = new Map<string, Held>();
  /** Parts of objects in memory that will be used again, by ascending position: readers get copies. */
  readonly #borrowed = new Map<string, readonly RecentPart[]>();
  readonly #memory = new ReadMemory();
  /** How many held objects use each block. */
  readonly #users = new Map<ArrayBufferLike, number>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Memory kept alive, in bytes, without what is borrowed. */
  get retainedBytes(): number {
    return this.#bytes;
  }

  addObject(key: ObjectKey, parts: readonly RecentPart[], memory: EvictableMemory | undefined): void {
    if (memory === undefined) this.#add(key, parts);
    else if (this.#bytesMax > 0) {
      const sorted = [...parts].sort((a, b) => a.position - b.position);
      this.#borrowed.set(key, sorted);
      memory.keep(() => {
        if (this.#borrowed.get(key) === sorted) this.#borrowed.delete(key);
      });
    }
  }

  addInline(journal: JournalId, seq: JournalSeq, indexInRecord: number, bytes: Uint8Array): void {
    this.#add(inlineKey(journal, seq, indexInRecord), [{ position: 0, chunks: [bytes], byteLength: bytes.byteLength }]);
  }

  /**
   * The bytes at that place of an object, in chunks that stay until `borrowed` is released, or for good without it;
   * undefined if they are not all here.
   */
  object(key: ObjectKey, range: ByteRange, borrowed?: Borrowed): readonly Uint8Array[] | undefined {
    return this.#find(key, range, borrowed);
  }

  /** Whether `object` would give the range. */
  holds(key: ObjectKey, { position, byteLength }: ByteRange): boolean {
    const parts = this.#held.get(key)?.parts ?? this.#borrowed.get(key);
    const part = parts === undefined ? undefined : partAt(parts, position);
    return part !== undefined && position + byteLength <= part.position + part.byteLength;
  }

  /** The inlined bytes of that command; undefined if they are not here. */
  inline(journal: JournalId, place: InlinePlace): readonly Uint8Array[] | undefined {
    return this.#find(inlineKey(journal, place.seq, place.indexInRecord), place, undefined);
  }

  /** Forgets everything. */
  clear(): void {
    this.#held.clear();
    this.#borrowed.clear();
    this.#users.clear();
    this.#bytes = 0;
  }

  #find(
    key: string,
    { position, byteLength }: ByteRange,
    borrowed: Borrowed | undefined,
  ): readonly Uint8Array[] | undefined {
    const held = this.#held.get(key);
    const parts = held?.parts ?? this.#borrowed.get(key);
    const part = parts === undefined ? undefined : partAt(parts, position);
    if (part === undefined || position + byteLength > part.position + part.byteLength) return undefined;
    const isWhole = position === part.position && byteLength === part.byteLength;
    const chunks = isWhole ? part.chunks : sliceChunks(part.chunks, position - part.position, byteLength);
    if (held === undefined) {
      const copy = copyChunks(this.#memory.take(byteLength), chunks);
      borrowed?.add(() => this.#memory.giveBack(copy));
      return [copy];
    }
    this.#held.delete(key);
    this.#held.set(key, held);
    return chunks;
  }

  #add(key: string, parts: readonly RecentPart[]): void {
    const held = this.#held.get(key) ?? { parts: [], buffers: new Set() };
    this.#held.delete(key);
    this.#held.set(key, held);
    const added = parts.filter((part) => partAt(held.parts, part.position) === undefined);
    for (const part of this.#isWasteful(added) ? copied(added) : added) this.#hold(held, part);
    held.parts.sort((a, b) => a.position - b.position);
    this.#evict();
  }

  /** Whether the parts alone would keep many times their own size alive. */
  #isWasteful(parts: readonly RecentPart[]): boolean {
    const buffers = new Set<ArrayBufferLike>();
    let retainedBytes = 0;
    let byteLength = PART_OVERHEAD_BYTES;
    for (const part of parts) {
      byteLength += part.byteLength;
      for (const { buffer } of part.chunks) {
        if (buffers.has(buffer) || this.#users.has(buffer)) continue;
        buffers.add(buffer);
        retainedBytes += buffer.byteLength;
      }
    }
    return retainedBytes > byteLength * RETAINED_FACTOR_MAX;
  }

  #hold(held: Held, part: RecentPart): void {
    held.parts.push(part);
    this.#bytes += PART_OVERHEAD_BYTES;
    for (const { buffer } of part.chunks) {
      if (held.buffers.has(buffer)) continue;
      held.buffers.add(buffer);
      const users = this.#users.get(buffer) ?? 0;
      this.#users.set(buffer, users + 1);
      if (users === 0) this.#bytes += buffer.byteLength;
    }
  }

  #evict(): void {
    for (const [key, held] of this.#held) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#held.delete(key);
      this.#bytes -= PART_OVERHEAD_BYTES * held.parts.length;
      for (const buffer of held.buffers) this.#release(buffer);
    }
  }

  #release(buffer: ArrayBufferLike): void {
    const users = this.#users.get(buffer) ?? 0;
    if (users > 1) {
      this.#users.set(buffer, users - 1);
      return;
    }
    this.#users.delete(buffer);
    this.#bytes -= buffer.byteLength;
  }
}

export interface InlinePlace {
  readonly seq: JournalSeq;
  readonly indexInRecord: number;
  readonly position: number;
  readonly byteLength: number;
}

function inlineKey(journal: JournalId, seq: JournalSeq, indexInRecord: number): string {
  // No object's key has a colon.
  return `${journal}:${seq}:${indexInRecord}`;
}

/** The part that holds `position`. */
function partAt(parts: readonly RecentPart[], position: number): RecentPart | undefined {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const part = parts[middle];
    if (part !== undefined && part.position + part.byteLength <= position) low = middle + 1;
    else high = middle;
  }
  const found = parts[low];
  return found !== undefined && found.position <= position ? found : undefined;
}

/** The same parts in one block of their own. */
function copied(parts: readonly RecentPart[]): readonly RecentPart[] {
  // Not in Node's pool: its blocks are shared with strangers and would be counted whole.
  const block = joinChunks(parts.flatMap((part) => part.chunks));
  let at = 0;
  return parts.map((part) => {
    at += part.byteLength;
    return { ...part, chunks: [block.subarray(at - part.byteLength, at)] };
  });
}
