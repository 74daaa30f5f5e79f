import { createRequire } from "node:module";
import { decodeLz4Blocks, storeLz4 } from "./lz4-block.ts";
import { decodeSnappyBlock, storeSnappyBlock } from "./snappy-block.ts";

// The native packages are loaded when somebody first needs one: most processes never do, and a function that starts cold
// has no time for it. Where a bundle or a platform lacks the prebuilt binary the work is done here, more slowly, and what
// is written is valid but not smaller.

const load = createRequire(import.meta.url);

export interface SnappyCodec {
  readonly isNative: boolean;
  compressBlock(bytes: Uint8Array): Uint8Array;
  /** Throws if `block` is not raw snappy. */
  decompressBlock(block: Uint8Array): Uint8Array;
}

export interface Lz4Codec {
  readonly isNative: boolean;
  compressFrame(bytes: Uint8Array): Uint8Array;
  /** Throws if `frame`, which has been walked through already, does not decode to `byteLength` bytes. */
  decompressFrame(frame: Buffer, byteLength: number): Uint8Array;
}

export const PURE_SNAPPY: SnappyCodec = {
  isNative: false,
  compressBlock: storeSnappyBlock,
  decompressBlock: decodeSnappyBlock,
};

/** Does not look at the frame's own checksums; a batch has one of its own. */
export const PURE_LZ4: Lz4Codec = {
  isNative: false,
  compressFrame: storeLz4,
  decompressFrame: decodeLz4Blocks,
};

let snappy: SnappyCodec | undefined;
let lz4: Lz4Codec | undefined;

export function snappyCodec(): SnappyCodec {
  snappy ??= nativeSnappy() ?? PURE_SNAPPY;
  return snappy;
}

export function lz4Codec(): Lz4Codec {
  lz4 ??= nativeLz4() ?? PURE_LZ4;
  return lz4;
}

function nativeSnappy(): SnappyCodec | undefined {
  try {
    const native: typeof import("snappy") = load("snappy");
    return {
      isNative: true,
      compressBlock: (bytes) => native.compressSync(bytes),
      decompressBlock(block) {
        const bytes = native.uncompressSync(block);
        return typeof bytes === "string" ? Buffer.from(bytes) : bytes;
      },
    };
  } catch {
    return undefined;
  }
}

function nativeLz4(): Lz4Codec | undefined {
  try {
    const native: typeof import("lz4-napi") = load("lz4-napi");
    return {
      isNative: true,
      compressFrame: (bytes) => native.compressFrameSync(asBuffer(bytes)),
      decompressFrame: (frame) => native.decompressFrameSync(frame),
    };
  } catch {
    return undefined;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
