import { FAST_START, javaArguments } from "../../test/clients/support/java.ts";
import { lastLines, run } from "../../test/clients/support/processes.ts";

/** As kafka-producer-perf-test.sh starts it. */
const JVM = ["-server", "-Xmx512M", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
const MAIN = "org.apache.kafka.tools.ProducerPerformance";
const TIMEOUT_MS = 15 * 60_000;

export interface ProduceLoad {
  readonly topic: string;
  readonly recordBytes: number;
  /** Sent before the figures begin, for the client's own compiler to warm up. */
  readonly warmUpRecords: number;
  readonly records: number;
  /** Records a second; -1: as fast as possible. */
  readonly throughput: number;
  readonly lingerMs: number;
  /** Starts the client fast instead of letting it become fast. */
  readonly isSmall: boolean;
}

/** Of the records behind the warm-up. */
export interface ProduceResult {
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the warm-up and the rest together. */
  readonly totalSeconds: number;
}

/** Runs Kafka's own load generator to its end. Fails unless every record was acknowledged. */
export async function producePerformance(address: string, load: ProduceLoad): Promise<ProduceResult> {
  const total = load.records + load.warmUpRecords;
  const properties = ["acks=all", "batch.size=131072", `linger.ms=${load.lingerMs}`];
  const args = [
    ...["--bootstrap-server", address, "--topic", load.topic],
    ...["--num-records", String(total), "--record-size", String(load.recordBytes)],
    ...["--throughput", String(load.throughput), "--warmup-records", String(load.warmUpRecords)],
    ...["--command-property", ...properties],
  ];
  const jvm = await javaArguments(load.isSmall ? FAST_START : JVM);
  const finished = await run("java", [...jvm, MAIN, ...args], { timeoutMs: TIMEOUT_MS });
  const result = finished.code === 0 ? parseProducerPerformance(finished.stdout, total) : undefined;
  if (result !== undefined) return result;
  throw new Error(`ProducerPerformance (${finished.code}): ${lastLines(finished.stdout + finished.stderr)}`);
}

// The tool's last two lines, each with the mean rate and the percentiles of the time from send to acknowledgement:
//
//   300000 records sent, 77780.65 records/sec (75.96 MB/sec), 180.04 ms avg latency, 512.00 ms max latency,
//     116 ms 50th, 477 ms 95th, 505 ms 99th, 510 ms 99.9th.
//   200000 steady state records sent, 102145.04 records/sec ...
const TOTAL = /^(\d+) records sent, ([\d.]+) records\/sec.* 50th,.* 99\.9th\.$/m;
const STEADY = /^\d+ steady state records sent, ([\d.]+) records\/sec.* (\d+) ms 50th, .* (\d+) ms 99th, .*$/m;

/** Undefined if the summary is missing, or not about `records` records: some were not acknowledged then. */
export function parseProducerPerformance(output: string, records: number): ProduceResult | undefined {
  const total = TOTAL.exec(output);
  const steady = STEADY.exec(output);
  if (total === null || steady === null || Number(total[1]) !== records) return undefined;
  return {
    recordsPerSecond: Number(steady[1]),
    p50Ms: Number(steady[2]),
    p99Ms: Number(steady[3]),
    totalSeconds: records / Number(total[2]),
  };
}
