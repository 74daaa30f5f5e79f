import fc from "fast-check";

/** One thing done to bytes. Positions count from 0 to 1, so that the same change fits inputs of any length. */
type Change =
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "set"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly count: number }
  | { readonly kind: "repeat"; readonly at: number; readonly count: number };

const at = fc.double({ min: 0, max: 1, noNaN: true });
// Lengths and counts at the ends of their ranges, in the forms that decoders know: int32, int64, and both varints.
const edges = [
  "00",
  "01",
  "7f",
  "80",
  "ff",
  "ffff",
  "7fffffff",
  "80000000",
  "ffffffff",
  "ffffffff0f",
  "ffffffffffffff7f",
  "ffffffffffffffff7f",
  "ffffffffffffffffffff",
  "7fffffffffffffff",
  "8000000000000000",
  "001fffffffffffff",
].map((digits) => Uint8Array.from(Buffer.from(digits, "hex")));
const bytes = fc.oneof(fc.constantFrom(...edges), fc.uint8Array({ minLength: 1, maxLength: 12 }));

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("cut" as const), at }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("set" as const), at, bytes }) },
  fc.record({ kind: fc.constant("insert" as const), at, bytes }),
  fc.record({ kind: fc.constant("remove" as const), at, count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant("repeat" as const), at, count: fc.integer({ min: 1, max: 40 }) }),
);
const changes = fc.array(change, { minLength: 1, maxLength: 5 });

/** `sound` with a few changes: cut short, overwritten, made longer, or with a stretch of it gone or doubled. */
export function mutated(sound: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(sound, changes).map(([input, all]) => all.reduce<Uint8Array>(changed, Uint8Array.from(input)));
}

function changed(input: Uint8Array, one: Change): Uint8Array {
  const position = Math.floor(one.at * input.byteLength);
  const head = input.subarray(0, position);
  switch (one.kind) {
    case "cut":
      return head.slice();
    case "set":
      return joined(head, one.bytes, input.subarray(position + one.bytes.byteLength));
    case "insert":
      return joined(head, one.bytes, input.subarray(position));
    case "remove":
      return joined(head, input.subarray(position + one.count));
    case "repeat":
      return joined(head, input.subarray(position, position + one.count), input.subarray(position));
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
