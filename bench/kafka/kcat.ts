import { spawn } from "node:child_process";
import { collect, type Finished, lastLines } from "../../test/clients/support/processes.ts";

const TIMEOUT_MS = 10 * 60_000;
/** The end of a partition shows by an empty answer, for which librdkafka would have every broker wait half a second. */
const SHORT_WAIT = ["-X", "fetch.wait.max.ms=10"];

/** kcat with its output at /dev/null. What it says on stderr is kept. */
function consume(address: string, args: readonly string[]): Promise<Finished> {
  const child = spawn("kcat", ["-b", address, "-C", ...SHORT_WAIT, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  return collect(child, TIMEOUT_MS);
}

/** Reads every partition from its beginning to its end, a process each. Answers seconds, the processes' start included. */
export async function readPartitions(
  address: string,
  from: { readonly topic: string; readonly partitions: number; readonly records: number },
): Promise<number> {
  const began = performance.now();
  const readers = await Promise.all(
    Array.from({ length: from.partitions }, (_, partition) =>
      consume(address, ["-t", from.topic, "-p", String(partition), "-o", "beginning", "-e"]),
    ),
  );
  const seconds = (performance.now() - began) / 1_000;
  const seen = readers.reduce((sum, { stderr }) => sum + endOffsetOf(stderr), 0);
  if (readers.some(({ code }) => code !== 0) || seen !== from.records) {
    const said = lastLines(readers.map(({ stderr }) => stderr).join("\n"));
    throw new Error(`kcat read ${seen} of ${from.records} records of ${from.topic}: ${said}`);
  }
  return seconds;
}

/** kcat's last words: `% Reached end of topic t [0] at offset 1000: exiting`. NaN if it said something else. */
export function endOffsetOf(stderr: string): number {
  return Number(/Reached end of topic \S+ \[\d+\] at offset (\d+)/.exec(stderr)?.[1]);
}

/** Reads all partitions as records come, in one process. Resolves, with the time, when it has had `records`. */
export async function followTopic(address: string, topic: string, records: number): Promise<number> {
  const finished = await consume(address, ["-t", topic, "-o", "beginning", "-q", "-c", String(records)]);
  if (finished.code !== 0) throw new Error(`kcat (${finished.code}): ${lastLines(finished.stderr)}`);
  return performance.now();
}
