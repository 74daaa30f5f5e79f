// MurmurHash2 as Kafka's Java clients compute it (org.apache.kafka.common.utils.Utils.murmur2; librdkafka's
// `murmur2_random`), so that a key's records go to the same partition whoever produces them.

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** A signed 32-bit integer, as in Java. */
export function murmur2(bytes: Uint8Array): number {
  const { byteLength } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
  const wordsEnd = byteLength - (byteLength % 4);
  let hash = SEED ^ byteLength;
  for (let at = 0; at < wordsEnd; at += 4) {
    let word = Math.imul(view.getInt32(at, true), MULTIPLIER);
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  for (let at = byteLength - 1; at >= wordsEnd; at--) hash ^= view.getUint8(at) << (8 * (at - wordsEnd));
  if (wordsEnd < byteLength) hash = Math.imul(hash, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** The partition of a key: its hash without the sign, modulo the number of partitions. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitionCount;
}
