import { join } from "node:path";
import type { SentPartition } from "./delivery.ts";
import { JavaProcess } from "./java-process.ts";
import { LateError, nowMs, untilNothingIsMissing } from "./moments.ts";
import { PartitionPauses } from "./pauses.ts";

export interface LoadSettings {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  /** Of all partitions together. */
  readonly recordsPerSecond: number;
  /** Of most; one of 61 has 500 times as many, more than what travels in a journal. */
  readonly recordBytes: number;
  /** Where its log goes. */
  readonly directory: string;
  /** Of Kafka's producer, by its names. */
  readonly configs?: Readonly<Record<string, string>>;
}

class LoadedPartition implements SentPartition {
  readonly offsets: (number | undefined)[] = [];
  readonly pauses = new PartitionPauses();
  /** And when the first record that was sent after it was acknowledged. */
  mark: { readonly atMs: number; ackedMs: number | undefined } = { atMs: 0, ackedMs: undefined };
}

/** Kafka's idempotent producer with acks=all, in a JVM of its own, sending numbered records at a steady rate. */
export class Load implements AsyncDisposable {
  readonly partitions: readonly SentPartition[];
  /** What the client gave up. */
  readonly failures: string[] = [];
  readonly #loaded: readonly LoadedPartition[];
  #process: JavaProcess | undefined;

  private constructor(partitions: number) {
    this.#loaded = Array.from({ length: partitions }, () => new LoadedPartition());
    this.partitions = this.#loaded;
  }

  /** Resolves once each partition has an acknowledgement. */
  static async start(settings: LoadSettings, limitMs: number): Promise<Load> {
    const { bootstrap, topic, partitions, recordsPerSecond, recordBytes, directory } = settings;
    const load = new Load(partitions);
    const configs = Object.entries(settings.configs ?? {}).map(([name, value]) => `${name}=${value}`);
    load.#process = await JavaProcess.start({
      main: "ChaosProducer",
      args: [bootstrap, topic, ...[partitions, recordsPerSecond, recordBytes].map(String), ...configs],
      log: join(directory, "producer.log"),
      onLine: (line) => load.#take(line),
    });
    try {
      await load.untilAcked(limitMs);
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
    return load;
  }

  /** The present moment, from which on the next acknowledgements count. */
  mark(): number {
    const atMs = nowMs();
    for (const partition of this.#loaded) partition.mark = { atMs, ackedMs: undefined };
    return atMs;
  }

  /**
   * Resolves once each of the partitions (all by default) has acknowledged a record that was sent after the mark, with
   * the moment in which the last of them did.
   */
  async untilAcked(limitMs: number, partitions?: readonly number[]): Promise<number> {
    const wanted = partitions ?? [...this.#loaded.keys()];
    const ackedMs = wanted.map(() => 0);
    await untilNothingIsMissing("acknowledgements", { limitMs }, () => {
      if (this.#process?.isRunning !== true) throw new LateError("the producer has ended");
      for (const [i, index] of wanted.entries()) ackedMs[i] = this.#loaded[index]?.mark.ackedMs ?? 0;
      const without = wanted.filter((_, i) => ackedMs[i] === 0);
      return without.length === 0 ? undefined : `none for partitions ${without.join(", ")}`;
    });
    return Math.max(...ackedMs);
  }

  /** The longest time for which any one partition had no acknowledgement. */
  longestPauseMs(fromMs: number, toMs: number): number {
    return Math.max(...this.#loaded.map(({ pauses }) => pauses.longestMs(fromMs, toMs)));
  }

  /** Sends nothing more, and resolves when all that was sent is answered. */
  async stop(limitMs: number): Promise<void> {
    this.#process?.endInput();
    const status = await Promise.race([this.#process?.ended, timeout(limitMs)]);
    if (status !== 0) throw new LateError(`the producer did not end well (${status ?? `not after ${limitMs} ms`})`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
  }

  // Lines as ChaosProducer.java draws them.
  #take(line: string): void {
    const [kind, ...fields] = line.split(" ");
    const [index = -1, number = -1, offset = -1, sentMs = 0, ackedMs = 0] = fields.slice(0, 5).map(Number);
    const partition = this.#loaded[index];
    if (kind === "F") this.failures.push(`partition ${index}, record ${number}: ${fields.slice(4).join(" ")}`);
    if (kind !== "A" || partition === undefined) return;
    partition.offsets[number] = offset;
    partition.pauses.acked(ackedMs);
    if (sentMs >= partition.mark.atMs) partition.mark.ackedMs ??= ackedMs;
  }
}

function timeout(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref();
  });
}
