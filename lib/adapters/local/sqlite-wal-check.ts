// SQLite's write-ahead log beside the journal file, `journal.sqlite-wal` (https://www.sqlite.org/fileformat2.html,
// section 4). SQLite reads it up to the first frame that is not whole and silently forgets the rest, which is right after
// a crash, and wrong where a frame that was whole has been damaged. So the frames are summed here as well.
//
//   header   0  magic 0x377f0682 or ...83 (its last bit: the sums read big-endian words)
//            8  page size            16  salt, 8 bytes     24  sum of bytes 0..23, 8 bytes
//   frame    0  page number    4  pages after commit, or 0     8  salt    16  sum, chained from the frame before
//           24  the page

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

type Sums = readonly [number, number];

/** Reads exactly `byteLength` bytes at `position`. */
type ReadAt = (position: number, byteLength: number) => Promise<Buffer>;

/**
 * What is wrong with a write-ahead log of `byteLength` bytes, if anything; reads it frame by frame. While a broker writes
 * it, its last commit may look unfinished for a moment: look again.
 */
export async function walProblem(byteLength: number, readAt: ReadAt): Promise<string | undefined> {
  // Nothing, or a header that a crash has cut, holds no commit.
  if (byteLength < HEADER_BYTES) return undefined;
  const header = await readAt(0, HEADER_BYTES);
  const magic = header.readUInt32BE(0);
  const isBigEndian = (magic & 1) === 1;
  const sums = sum(header.subarray(0, 24), [0, 0], isBigEndian);
  if ((magic & ~1) >>> 0 !== MAGIC || !holds(header, 24, sums))
    return "its header is damaged, so SQLite ignores all of it";
  const pageBytes = header.readUInt32BE(8);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  let before = sums;
  let broken: number | undefined;
  let isCut = false;
  for (let at = HEADER_BYTES; at + frameBytes <= byteLength; at += frameBytes) {
    const frame = await readAt(at, frameBytes);
    const isOfThisRun = frame.compare(header, 16, 24, 8, 16) === 0;
    const summed = sum(frame.subarray(FRAME_HEADER_BYTES), sum(frame.subarray(0, 8), before, isBigEndian), isBigEndian);
    const isWhole = isOfThisRun && holds(frame, 16, summed);
    const isCommit = frame.readUInt32BE(4) !== 0;
    // What follows the last commit may be left from an earlier run, with another salt, or from a commit that a crash cut
    // short; but no end of a commit can come after a frame that is not whole.
    if (isWhole && isCommit && broken !== undefined) {
      return `the frame at byte ${broken} is damaged, so SQLite ignores all that follows`;
    }
    if (!isWhole) broken ??= at;
    if (isOfThisRun && isCommit && !isWhole) isCut = true;
    // A damaged frame leaves the next one's chain as it was, unless the damage hit the sum itself.
    before = [frame.readUInt32BE(16), frame.readUInt32BE(20)];
  }
  if (!isCut) return undefined;
  return `the last commit, at byte ${broken}, is not whole: damaged, or cut by a crash (then it was never answered)`;
}

function holds(bytes: Buffer, at: number, sums: Sums): boolean {
  return bytes.readUInt32BE(at) === sums[0] && bytes.readUInt32BE(at + 4) === sums[1];
}

function sum(bytes: Buffer, from: Sums, isBigEndian: boolean): Sums {
  let [first, second] = from;
  for (let at = 0; at + 8 <= bytes.byteLength; at += 8) {
    first = (first + (isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + second) >>> 0;
    second = (second + (isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + first) >>> 0;
  }
  return [first, second];
}
