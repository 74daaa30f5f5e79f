// As a whole, for Node 20 has no zstd and would refuse an import by name.
import * as zlib from "node:zlib";
import { unreachable } from "#lib/util/assert.ts";
import { DECOMPRESSED_BATCH_BYTES_MAX } from "#lib/util/limits.ts";
import type { CompressionCodec } from "./compression-codec.ts";
import { CodecMissingError, CorruptRecordError, DecompressedTooLargeError } from "./errors.ts";
import { compressLz4, decompressLz4 } from "./lz4-frame.ts";
import { compressSnappy, decompressSnappy } from "./snappy-frame.ts";

// The records section of a batch, compressed as a whole. Nothing here is on the hot path, which passes batches through
// as they are; so the calls are synchronous.

/** The codec's default level, which is also that of Kafka's clients. */
export function compress(codec: CompressionCodec, bytes: Uint8Array): Uint8Array {
  switch (codec) {
    case "none":
      return bytes;
    case "gzip":
      return zlib.gzipSync(bytes);
    case "snappy":
      return compressSnappy(bytes);
    case "lz4":
      return compressLz4(bytes);
    case "zstd":
      checkZstd();
      return zlib.zstdCompressSync(bytes);
    default:
      return unreachable(codec);
  }
}

/**
 * Fails with `CorruptRecordError` if `bytes` are not what `codec` writes, and with `DecompressedTooLargeError` once they
 * prove to exceed `bytesMax`, having allocated not much more than that. "none" answers the same bytes, not a copy.
 */
export function decompress(
  codec: CompressionCodec,
  bytes: Uint8Array,
  bytesMax: number = DECOMPRESSED_BATCH_BYTES_MAX,
): Uint8Array {
  switch (codec) {
    case "none":
      if (bytes.byteLength > bytesMax) throw new DecompressedTooLargeError(bytesMax);
      return bytes;
    case "gzip":
      return limited(codec, bytesMax, () => zlib.gunzipSync(bytes, { maxOutputLength: bytesMax }));
    case "snappy":
      return decompressSnappy(bytes, bytesMax);
    case "lz4":
      return decompressLz4(bytes, bytesMax);
    case "zstd":
      checkZstd();
      return limited(codec, bytesMax, () => zlib.zstdDecompressSync(bytes, { maxOutputLength: bytesMax }));
    default:
      return unreachable(codec);
  }
}

function checkZstd(): void {
  if (typeof zlib.zstdDecompressSync !== "function") throw new CodecMissingError("zstd needs Node 22.15 or newer");
}

function limited(codec: CompressionCodec, bytesMax: number, run: () => Uint8Array): Uint8Array {
  try {
    return run();
  } catch (cause) {
    const isTooLarge = cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE";
    if (isTooLarge) throw new DecompressedTooLargeError(bytesMax);
    throw new CorruptRecordError(`${codec} section is broken`, { cause });
  }
}
