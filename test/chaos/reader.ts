import { join } from "node:path";
import type { ReadRecord, SentPartition } from "./delivery.ts";
import { JavaProcess } from "./java-process.ts";
import { LateError, untilNothingIsMissing } from "./moments.ts";

export interface ReaderSettings {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  /** `follow`: until it is stopped; `once`: up to where the logs end when it begins; `last:N`: so many offsets up to there. */
  readonly mode: "follow" | "once" | `last:${number}`;
  /** Of its log, if there are several of one mode. */
  readonly name?: string;
  /** Where its log goes. */
  readonly directory: string;
}

/** Kafka's consumer in a JVM of its own, reading all partitions from the beginning. */
export class Reader implements AsyncDisposable {
  readonly records: readonly (readonly ReadRecord[])[];
  /** Where it began, by partition. */
  readonly begins: readonly number[];
  readonly #records: ReadRecord[][];
  readonly #begins: number[];
  #process: JavaProcess | undefined;

  private constructor(partitions: number) {
    this.#records = Array.from({ length: partitions }, () => []);
    this.records = this.#records;
    this.#begins = Array.from({ length: partitions }, () => 0);
    this.begins = this.#begins;
  }

  static async start({ bootstrap, topic, partitions, mode, name, directory }: ReaderSettings): Promise<Reader> {
    const reader = new Reader(partitions);
    reader.#process = await JavaProcess.start({
      main: "ChaosReader",
      args: [bootstrap, topic, String(partitions), mode],
      log: join(directory, `reader-${name ?? mode}.log`),
      onLine: (line) => reader.#take(line),
    });
    return reader;
  }

  /** Resolves once it has come to where each partition's acknowledged records end now. Fails if it has given up. */
  async untilCaughtUp(sent: readonly SentPartition[], limitMs: number): Promise<void> {
    const ends = sent.map(({ offsets }) => offsets.findLast((offset) => offset !== undefined) ?? -1);
    await untilNothingIsMissing("the reader", { limitMs }, () => {
      const behind = ends.findIndex((end, partition) => (this.#records[partition]?.at(-1)?.offset ?? -1) < end);
      if (behind < 0) return undefined;
      if (this.#process?.isRunning !== true) throw new LateError("the reader has given up");
      return `partition ${behind} is at ${this.#records[behind]?.at(-1)?.offset ?? -1} of ${ends[behind]}`;
    });
  }

  /** Resolves when it has ended by itself. */
  async untilEnded(limitMs: number): Promise<void> {
    await untilNothingIsMissing("the reader", { limitMs }, () =>
      this.#process?.isRunning === true ? "it still reads" : undefined,
    );
    const status = await this.#process?.ended;
    if (status !== 0) throw new LateError(`the reader has given up (status ${status})`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
  }

  // Lines as ChaosReader.java draws them.
  #take(line: string): void {
    const [kind, ...fields] = line.split(" ");
    const [partition = -1, offset = -1, number = -1] = fields.map(Number);
    if (kind === "B") this.#begins[partition] = offset;
    if (kind === "R") this.#records[partition]?.push({ offset, number });
  }
}
