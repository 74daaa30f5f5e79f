import fc from "fast-check";
import { expect, test } from "vitest";
import { type HeldBytes, isSharedPages, SegmentMemory } from "#lib/storage/segment-memory.ts";
import { defined } from "#lib/util/assert.ts";
import { MEMORY_PAGE_BYTES } from "#lib/util/limits.ts";

/** What a WebAssembly memory has at least. */
const RING_BYTES = 64 * 1024;
const RING_PAGES = RING_BYTES / MEMORY_PAGE_BYTES;

function filled(byteLength: number, byte: number): Uint8Array {
  return new Uint8Array(byteLength).fill(byte);
}

function gather(memory: SegmentMemory, byteLength: number, byte = 1): HeldBytes | undefined {
  return memory.gather([filled(byteLength, byte)], byteLength);
}

test("chunks come one behind the other, at a page boundary of memory that threads share", () => {
  const memory = new SegmentMemory(RING_BYTES);
  gather(memory, 10);
  const chunks = [filled(3, 1), filled(0, 2), filled(5_000, 3), filled(1, 4)];
  const { bytes } = defined(memory.gather(chunks, 5_004));
  expect(Buffer.from(bytes).equals(Buffer.concat(chunks))).toBe(true);
  expect(isSharedPages(bytes)).toBe(true);
});

test("chunks larger and smaller than what is copied at once arrive whole", () => {
  const memory = new SegmentMemory(64 * RING_BYTES);
  const chunk = Uint8Array.from({ length: 300_001 }, (_, at) => (at * 31) % 251);
  const chunks = [chunk, chunk.subarray(0, 131_072), chunk.subarray(7, 140_000), chunk.subarray(0, 1)];
  const whole = Buffer.concat(chunks);
  expect(Buffer.from(defined(memory.gather(chunks, whole.byteLength)).bytes).equals(whole)).toBe(true);
});

test("what fills the ring exactly fits, and what is larger does not", () => {
  const memory = new SegmentMemory(RING_BYTES);
  expect(gather(memory, RING_BYTES + 1)).toBeUndefined();
  for (let round = 0; round < 3; round++) {
    const held = defined(gather(memory, RING_BYTES, round));
    expect(gather(memory, 1)).toBeUndefined();
    expect(held.bytes.every((byte) => byte === round)).toBe(true);
    held.release();
  }
});

test("nothing at all has a place of its own", () => {
  const memory = new SegmentMemory(RING_BYTES);
  const places = Array.from({ length: RING_PAGES }, () => defined(memory.gather([], 0)).bytes.byteOffset);
  expect(new Set(places).size).toBe(RING_PAGES);
  expect(memory.gather([], 0)).toBeUndefined();
});

test("who holds the oldest bytes stops the ring, whatever is free behind them", () => {
  const memory = new SegmentMemory(RING_BYTES);
  const oldest = defined(gather(memory, RING_BYTES / 2, 7));
  defined(gather(memory, RING_BYTES / 2, 8)).release();
  expect(gather(memory, 1)).toBeUndefined();
  expect(oldest.bytes.every((byte) => byte === 7)).toBe(true);
  oldest.release();
  expect(gather(memory, 1)).toBeDefined();
});

test("bytes stay after the last release, and their keeper hears of it just before they change", () => {
  const memory = new SegmentMemory(RING_BYTES);
  const held = defined(gather(memory, RING_BYTES / 2, 7));
  const seen: number[] = [];
  held.keep(() => seen.push(held.bytes[0] ?? -1));
  held.release();
  defined(gather(memory, RING_BYTES / 2, 8)).release();
  expect([seen, held.bytes[0]]).toEqual([[], 7]);
  gather(memory, RING_BYTES / 2, 9);
  expect([seen, held.bytes[0]]).toEqual([[7], 9]);
});

test("holding again or letting go after the last release is a mistake, and so are chunks of another length", () => {
  const memory = new SegmentMemory(RING_BYTES);
  const held = defined(gather(memory, 1));
  held.release();
  expect(() => held.release()).toThrow();
  expect(() => held.retain()).toThrow();
  expect(() => held.keep(() => {})).toThrow();
  const neighbour = defined(gather(memory, MEMORY_PAGE_BYTES, 5));
  expect(() => memory.gather([filled(100, 1)], 99)).toThrow();
  expect(() => memory.gather([filled(2 * MEMORY_PAGE_BYTES, 1)], 1)).toThrow();
  expect(neighbour.bytes.every((byte) => byte === 5)).toBe(true);
  // Nor does what was refused hold anything.
  neighbour.release();
  expect(gather(memory, RING_BYTES)).toBeDefined();
});

interface Live {
  readonly held: HeldBytes;
  readonly byte: number;
  holders: number;
  state: "held" | "kept" | "free";
}

type Step =
  | { readonly kind: "gather"; readonly byteLength: number }
  | { readonly kind: "retain" | "release" | "keep"; readonly index: number };

const byteLengths = fc.oneof(
  fc.integer({ min: 0, max: 3 * MEMORY_PAGE_BYTES }),
  fc.integer({ min: 1, max: RING_PAGES }).map((pages) => pages * MEMORY_PAGE_BYTES),
  fc.integer({ min: 0, max: RING_BYTES + 1 }),
);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant<"gather">("gather"), byteLength: byteLengths }),
  // Of the oldest ones mostly: the ring turns only when they let go.
  fc.record({ kind: fc.constantFrom<"retain" | "release" | "keep">("retain", "release", "keep"), index: fc.nat(3) }),
  fc.record({ kind: fc.constant<"release">("release"), index: fc.nat(12) }),
);

/** A ring beside what it should hold. */
class CheckedRing {
  readonly #memory = new SegmentMemory(RING_BYTES);
  /** In the order of their gathering. */
  #live: Live[] = [];
  #count = 0;

  run(step: Step): void {
    if (step.kind === "gather") this.#gather(step.byteLength);
    else this.#touch(step);
    for (const live of this.#live) this.#check(live);
  }

  #gather(byteLength: number): void {
    const byte = ++this.#count % 256;
    const isFree = this.#live.every(({ holders }) => holders === 0);
    const held = gather(this.#memory, byteLength, byte);
    if (held === undefined) {
      // With nobody holding anything only what is larger than the ring has no place.
      expect(isFree && byteLength <= RING_BYTES).toBe(false);
      return;
    }
    this.#live = this.#live.filter(({ state, held: { bytes } }) => state !== "free" || !overlap(bytes, held.bytes));
    expect(this.#live.filter((live) => overlap(live.held.bytes, held.bytes))).toEqual([]);
    this.#live.push({ held, byte, holders: 1, state: "held" });
  }

  #touch({ kind, index }: Exclude<Step, { kind: "gather" }>): void {
    const holding = this.#live.filter(({ holders }) => holders > 0);
    const live = holding[index % Math.max(1, holding.length)];
    if (live === undefined) return;
    live.held[kind](() => {
      // Called before the memory changes, and never while somebody holds it.
      this.#check(live);
      expect(live.holders).toBe(0);
      live.state = "free";
    });
    if (kind === "retain") live.holders++;
    if (kind === "release") live.holders--;
    if (kind === "keep") live.state = "kept";
    // Let go without a keeper: it may be overwritten from now on.
    if (live.holders === 0 && live.state === "held") live.state = "free";
  }

  #check({ held, byte, state }: Live): void {
    if (state !== "free") expect(held.bytes.every((each) => each === byte)).toBe(true);
  }
}

/** Whether both have a page in common. */
function overlap(a: Uint8Array, b: Uint8Array): boolean {
  const endOf = (bytes: Uint8Array) => bytes.byteOffset + Math.max(1, bytes.byteLength);
  return a.byteOffset < endOf(b) && b.byteOffset < endOf(a);
}

test("however it is used, held and kept bytes stay as they are and no two of them share a place", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 80, size: "max" }), (sequence) => {
      const ring = new CheckedRing();
      for (const step of sequence) ring.run(step);
    }),
    { numRuns: 60 },
  );
});
