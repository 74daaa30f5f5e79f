import { Readable } from "node:stream";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { KIB } from "#lib/util/limits.ts";

/** Chunks below this size are joined, up to so many bytes: each piece written to a socket costs microseconds by itself. */
const SMALL_CHUNK_BYTES = 8 * KIB;
const PIECE_BYTES = 64 * KIB;

/** A request's body out of chunks that are not copied, but for small ones. Each try of a request needs one of its own. */
export function chunkStream(chunks: readonly Uint8Array[]): Readable {
  let next = 0;
  const takePiece = (): Uint8Array | null => {
    const small: Uint8Array[] = [];
    let byteLength = 0;
    for (; next < chunks.length && byteLength < PIECE_BYTES; next++) {
      const chunk = chunks[next];
      if (chunk === undefined || chunk.byteLength === 0) continue;
      if (chunk.byteLength >= SMALL_CHUNK_BYTES) {
        if (small.length > 0) break;
        next++;
        return chunk;
      }
      small.push(chunk);
      byteLength += chunk.byteLength;
    }
    return small.length === 0 ? null : joinChunks(small);
  };
  return new Readable({
    highWaterMark: PIECE_BYTES,
    read() {
      this.push(takePiece());
    },
  });
}

/** The answer's body ended before its declared length, or went on behind it. */
export class BodyLengthError extends Error {
  override readonly name = "BodyLengthError";
}

/**
 * Reads a whole body: into `target`, which is as long as the body must be, or into memory of its own. Fails with
 * `BodyLengthError`, the connection's error, or the signal's reason; then the connection is destroyed.
 */
export async function readBody(
  body: Readable,
  signal: AbortSignal,
  options: { readonly target?: Uint8Array | undefined; readonly byteLength?: number | undefined },
): Promise<Uint8Array> {
  const onAbort = () => void body.destroy(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    // Not from Node's pool: a small read would keep the pool's 64 KiB alive as long as it lives itself.
    const target =
      options.target ?? (options.byteLength === undefined ? undefined : Buffer.allocUnsafeSlow(options.byteLength));
    return target === undefined ? await collect(body) : await fill(body, target);
  } catch (error) {
    body.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function fill(body: Readable, target: Uint8Array): Promise<Uint8Array> {
  const pieces: AsyncIterable<Uint8Array> = body;
  let filled = 0;
  for await (const chunk of pieces) {
    if (filled + chunk.byteLength > target.byteLength) {
      throw new BodyLengthError(`the answer has more than ${target.byteLength} bytes`);
    }
    target.set(chunk, filled);
    filled += chunk.byteLength;
  }
  if (filled < target.byteLength) {
    throw new BodyLengthError(`the answer ended after ${filled} of ${target.byteLength} bytes`);
  }
  return target;
}

async function collect(body: Readable): Promise<Uint8Array> {
  const pieces: AsyncIterable<Uint8Array> = body;
  const chunks: Uint8Array[] = [];
  for await (const chunk of pieces) chunks.push(chunk);
  return joinChunks(chunks);
}
