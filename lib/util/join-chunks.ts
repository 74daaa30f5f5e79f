/** Copies the chunks one behind the other to the beginning of `target`, which is answered. */
export function copyChunks<T extends Uint8Array>(target: T, chunks: readonly Uint8Array[]): T {
  let at = 0;
  for (const chunk of chunks) {
    target.set(chunk, at);
    at += chunk.byteLength;
  }
  return target;
}

/** All chunks in memory of their own, never in Node's shared pool. */
export function joinChunks(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return copyChunks(new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)), chunks);
}
