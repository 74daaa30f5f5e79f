import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { UsageError } from "./usage-error.ts";

const LINE_FEED = 0x0a;

/** Lines of a stream as bytes, without their line feeds; a last line needs none. Carriage returns are content. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: Buffer[] = [];
    let begin = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, begin)) {
      const line = bytes.subarray(begin, end);
      lines.push(restBytes === 0 ? line : Buffer.concat([...rest, line]));
      rest = [];
      restBytes = 0;
      begin = end + 1;
    }
    if (begin < bytes.byteLength) {
      rest.push(bytes.subarray(begin));
      restBytes += bytes.byteLength - begin;
    }
    if (restBytes > REQUEST_BYTES_MAX) throw new UsageError(`a line has more than ${REQUEST_BYTES_MAX} bytes`);
    if (lines.length > 0) yield lines;
  }
  if (restBytes > 0) yield [Buffer.concat(rest)];
}
