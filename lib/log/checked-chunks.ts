// What is read ahead is checked before anybody asks for it, and need not be checked again then. The block cache gives the
// same view for the same range as long as it has the bytes, so views can be remembered; other bytes are other views.
//
//   view   [ batch | batch | batch | batch ]
//            '- their sums were right -'  '- not looked at

const checkedBytes = new WeakMap<Uint8Array, number>();

/** The first `byteLength` bytes of the chunks are whole batches whose sums are right. */
export function markChecked(chunks: readonly Uint8Array[], byteLength: number): void {
  let left = byteLength;
  for (const chunk of chunks) {
    if (left <= 0) return;
    const bytes = Math.min(left, chunk.byteLength);
    if (bytes > (checkedBytes.get(chunk) ?? 0)) checkedBytes.set(chunk, bytes);
    left -= bytes;
  }
}

/** How many of their first bytes have been found right. */
export function checkedBytesOf(chunks: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const chunk of chunks) {
    const ofChunk = checkedBytes.get(chunk) ?? 0;
    bytes += ofChunk;
    if (ofChunk < chunk.byteLength) break;
  }
  return bytes;
}
