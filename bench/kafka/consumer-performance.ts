import { FAST_START, javaArguments } from "../../test/clients/support/java.ts";
import { lastLines, run } from "../../test/clients/support/processes.ts";

/** As kafka-consumer-perf-test.sh starts it. */
const JVM = ["-server", "-Xmx512M", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
const MAIN = "org.apache.kafka.tools.ConsumerPerformance";
const TIMEOUT_MS = 10 * 60_000;
/** Without a record for so long the tool gives up; its own ten seconds are short on a busy machine. */
const SILENCE_MS = 60_000;

export interface ConsumeLoad {
  readonly topic: string;
  /** A group that has committed nothing reads from the beginning. */
  readonly groupId: string;
  readonly protocol: "classic" | "consumer";
  readonly records: number;
  /** Starts the client fast instead of letting it become fast. */
  readonly isSmall: boolean;
}

export interface ConsumeResult {
  /** Of the records' values. */
  readonly bytes: number;
  /** From the start of the consumer until it had read everything. */
  readonly totalSeconds: number;
  /** The same without the time until the group gave it its partitions. */
  readonly fetchSeconds: number;
}

/** Runs Kafka's own consumer benchmark to its end. Fails unless every record was read. */
export async function consumerPerformance(address: string, load: ConsumeLoad): Promise<ConsumeResult> {
  const args = [
    ...["--bootstrap-server", address, "--topic", load.topic, "--group", load.groupId],
    ...["--num-records", String(load.records), "--command-property", `group.protocol=${load.protocol}`],
    ...["--timeout", String(SILENCE_MS)],
  ];
  const jvm = await javaArguments(load.isSmall ? FAST_START : JVM);
  const finished = await run("java", [...jvm, MAIN, ...args], { timeoutMs: TIMEOUT_MS });
  const result = finished.code === 0 ? parseConsumerPerformance(finished.stdout, load.records) : undefined;
  if (result !== undefined) return result;
  throw new Error(`ConsumerPerformance (${finished.code}): ${lastLines(finished.stdout + finished.stderr)}`);
}

// A line of names, then one of figures; MB are 2^20 bytes:
//
//   start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec,
//     rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
//   2026-01-02 03:04:05:678, 2026-01-02 03:04:10:678, 1953.1250, 390.6250, 2000000, 400000.0, 600, 4400, 443.8, 454545.4
const FIGURES =
  /^\d[^,]+, [^,]+, (?<mb>[\d.]+), [\d.]+, (?<records>\d+), [\d.]+, (?<joinMs>\d+), (?<fetchMs>\d+), .*$/m;

/** Undefined if the figures are missing, or fewer than `records` records were read. */
export function parseConsumerPerformance(output: string, records: number): ConsumeResult | undefined {
  const figures = FIGURES.exec(output)?.groups;
  if (figures === undefined || Number(figures["records"]) < records) return undefined;
  const megabytes = Number(figures["mb"]);
  return {
    bytes: megabytes * 2 ** 20,
    totalSeconds: (Number(figures["joinMs"]) + Number(figures["fetchMs"])) / 1_000,
    fetchSeconds: Number(figures["fetchMs"]) / 1_000,
  };
}
