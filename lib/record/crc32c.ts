// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of record batches and of our own objects. The native package
// uses the processor's instruction: 1.6 µs for 16 KiB of which the call itself is 0.2 µs, some 14 GB/s for large arrays.

type Crc32c = (bytes: Uint8Array, previous?: number) => number;

const REVERSED_POLYNOMIAL = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ REVERSED_POLYNOMIAL : value >>> 1;
  return value >>> 0;
});

/** One table lookup per byte, some forty times slower than the processor: for platforms without the native package. */
export function crc32cByTable(bytes: Uint8Array, previous = 0): number {
  let state = ~previous;
  for (const byte of bytes) state = (state >>> 8) ^ (table[(state ^ byte) & 0xff] ?? 0);
  return ~state >>> 0;
}

async function loadNative(): Promise<Crc32c | undefined> {
  try {
    return (await import("@node-rs/crc32")).crc32c;
  } catch {
    // A bundle or a platform without the prebuilt binary is slower, not broken.
    return undefined;
  }
}

const native = await loadNative();

export const crc32cImplementation: "native" | "table" = native === undefined ? "table" : "native";

/** Unsigned CRC-32C of `bytes`; `previous` is the sum of what came before them (0 at the beginning). */
export const crc32c: Crc32c = native ?? crc32cByTable;

/** The sum of the concatenated chunks, without concatenating them. */
export function crc32cOfChunks(chunks: readonly Uint8Array[], previous = 0): number {
  let sum = previous;
  for (const chunk of chunks) sum = crc32c(chunk, sum);
  return sum;
}
