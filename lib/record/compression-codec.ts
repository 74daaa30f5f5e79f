/** In the spelling of the topic config `compression.type`. */
export type CompressionCodec = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Their ids in a batch's attributes are their places here. */
export const COMPRESSION_CODECS: readonly CompressionCodec[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** undefined: no such codec. */
export function codecOf(id: number): CompressionCodec | undefined {
  return COMPRESSION_CODECS[id];
}

export function codecId(codec: CompressionCodec): number {
  return COMPRESSION_CODECS.indexOf(codec);
}
