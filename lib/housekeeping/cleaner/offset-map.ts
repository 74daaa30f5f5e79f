// As a whole, for `hash` came with Node 20.12 and an import by name would fail before.
import * as crypto from "node:crypto";
import { assert } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { CLEANER_KEYS_MAX } from "#lib/util/limits.ts";

// Which offset is the last one of each key (Kafka's SkimpyOffsetMap). Keys are known by 16 bytes of their SHA-256, so a key
// of any length costs the same; that two keys share them does not happen, nor can it be made to. A table of slots, 24 bytes
// each, looked through from the place that the hash names on; three quarters full at most, it grows by doubling. Whoever
// knows how many keys may come reserves room for them: to double a table of a million takes a second of one turn.

const SLOTS_MIN = 1_024;
const LOAD_MAX = 0.75;
const EMPTY = -1;
const WORDS = 4;

export class OffsetMap {
  readonly keysMax: number;
  #slots = 0;
  #size = 0;
  #hashes = new Uint32Array(0);
  #offsets = new Float64Array(0);

  constructor(keysMax: number = CLEANER_KEYS_MAX) {
    this.keysMax = keysMax;
    this.clear();
  }

  /** Places for keys, a quarter of which stays free. */
  get slots(): number {
    return this.#slots;
  }

  get size(): number {
    return this.#size;
  }

  /** Forgets everything, and gives back the memory. */
  clear(): void {
    this.#size = 0;
    this.#allocate(SLOTS_MIN);
  }

  /** Makes room for so many keys, or for as many as there may be. The map is empty. */
  reserve(keyCount: number): void {
    assert(this.#size === 0, "room is reserved in an empty map");
    const wanted = Math.min(keyCount, this.keysMax);
    let slots = this.#slots;
    while (wanted > slots * LOAD_MAX) slots *= 2;
    if (slots > this.#slots) this.#allocate(slots);
  }

  /** Remembers the offset, which is behind those of all calls before. False: the key is new and the map is full. */
  put(key: Uint8Array, offset: Offset): boolean {
    const hash = hashOf(key);
    const slot = this.#find(hash);
    if (this.#offsets[slot] === EMPTY) {
      if (this.#size === this.keysMax) return false;
      this.#fill(slot, hash, offset);
      if (++this.#size > this.#slots * LOAD_MAX) this.#grow();
    } else {
      this.#offsets[slot] = offset;
    }
    return true;
  }

  has(key: Uint8Array): boolean {
    return this.get(key) !== EMPTY;
  }

  /** The last offset of the key; -1 if it was not put. */
  get(key: Uint8Array): Offset {
    return this.#offsets[this.#find(hashOf(key))] ?? EMPTY;
  }

  #allocate(slots: number): void {
    this.#slots = slots;
    this.#hashes = new Uint32Array(slots * WORDS);
    this.#offsets = new Float64Array(slots).fill(EMPTY);
  }

  #fill(slot: number, hash: readonly number[], offset: Offset): void {
    for (let word = 0; word < WORDS; word++) this.#hashes[slot * WORDS + word] = hash[word] ?? 0;
    this.#offsets[slot] = offset;
  }

  /** The slot that has the hash, or the free one where it belongs. */
  #find(hash: readonly number[]): number {
    const [first = 0, second, third, fourth] = hash;
    const hashes = this.#hashes;
    let slot = first & (this.#slots - 1);
    while (this.#offsets[slot] !== EMPTY) {
      const at = slot * WORDS;
      const isSame =
        hashes[at] === first && hashes[at + 1] === second && hashes[at + 2] === third && hashes[at + 3] === fourth;
      if (isSame) return slot;
      slot = (slot + 1) & (this.#slots - 1);
    }
    return slot;
  }

  #grow(): void {
    const hashes = this.#hashes;
    const offsets = this.#offsets;
    this.#allocate(this.#slots * 2);
    const hash = [0, 0, 0, 0];
    for (let slot = 0; slot < offsets.length; slot++) {
      const offset = offsets[slot] ?? EMPTY;
      if (offset === EMPTY) continue;
      for (let word = 0; word < WORDS; word++) hash[word] = hashes[slot * WORDS + word] ?? 0;
      this.#fill(this.#find(hash), hash, offset);
    }
  }
}

const HASH = "sha256";

function hashOf(key: Uint8Array): readonly number[] {
  const digest =
    typeof crypto.hash === "function" ? crypto.hash(HASH, key, "buffer") : crypto.createHash(HASH).update(key).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), digest.readUInt32LE(12)];
}
