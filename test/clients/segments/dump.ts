import { runJava } from "../support/java.ts";
import { lastLines } from "../support/processes.ts";

const DUMP_LOG_SEGMENTS = "org.apache.kafka.tools.DumpLogSegments";
const TIMEOUT_MS = 2 * 60_000;

/** Offsets that do not follow one another, as the tool prints them: `-1 -> 100`. */
export type Gaps = ReadonlyMap<string, readonly string[]>;

export interface Dump {
  /** The lines of each file. */
  readonly lines: ReadonlyMap<string, readonly string[]>;
  /**
   * By file. The tool counts from -1, so a segment that begins later has one before its first record too: it says so of
   * the segments of every broker.
   */
  readonly gaps: Gaps;
  /** All else that it finds fault with. It exits with 0 either way, so its text is what tells. */
  readonly faults: readonly string[];
}

/** Runs Kafka's DumpLogSegments over `files`, each with an absolute path. */
export async function dumpSegments(files: readonly string[], ...options: readonly string[]): Promise<Dump> {
  const args = ["--files", files.join(","), ...options];
  const finished = await runJava(DUMP_LOG_SEGMENTS, args, { timeoutMs: TIMEOUT_MS });
  const { lines, faults } = readOutput(finished.stdout);
  const { gaps, complaints } = readErrors(finished.stderr);
  if (finished.code !== 0) complaints.push(`ended with ${finished.code}: ${lastLines(finished.stderr, 3)}`);
  return { lines, gaps, faults: [...faults, ...complaints] };
}

function readOutput(text: string): { lines: Map<string, string[]>; faults: string[] } {
  const lines = new Map<string, string[]>();
  const faults: string[] = [];
  let current: string[] = [];
  for (const line of text.split("\n")) {
    const file = /^Dumping (.+)$/.exec(line)?.[1];
    if (file !== undefined) {
      current = [];
      lines.set(file, current);
    } else if (line !== "") current.push(line);
    if (/^Found .* invalid bytes|isvalid: false/.test(line)) faults.push(line);
  }
  return { lines, faults };
}

function readErrors(text: string): { gaps: Map<string, string[]>; complaints: string[] } {
  const gaps = new Map<string, string[]>();
  const complaints: string[] = [];
  let current: string[] | undefined;
  for (const line of text.split("\n")) {
    const file = /^Non-consecutive offsets in (.+)$/.exec(line)?.[1];
    const [, from, to] = /^ {2}(-?\d+) is followed by (\d+)$/.exec(line) ?? [];
    if (file !== undefined) {
      current = [];
      gaps.set(file, current);
    } else if (current !== undefined && from !== undefined) current.push(`${from} -> ${to}`);
    else if (line.trim() !== "") complaints.push(line.trim());
  }
  return { gaps, complaints };
}
