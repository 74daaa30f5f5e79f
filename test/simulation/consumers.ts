import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { Offset, TopicId } from "#lib/util/branded.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { nameOfBatch } from "./batches.ts";
import type { Connection } from "./connection.ts";
import type { SeenBatch } from "./history.ts";
import { type Fetched, fetch, listOffset, type Named } from "./services.ts";
import type { World } from "./world.ts";

/** Fails with `CorruptRecordError` on damaged bytes. */
export function seenBatches(records: readonly Uint8Array[]): readonly SeenBatch[] {
  const { batches, tailBytes } = splitBatches(Buffer.concat(records));
  if (tailBytes > 0) throw new Error(`${tailBytes} bytes follow the last whole batch`);
  return batches.map((batch) => {
    const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
    const offsets = [...readRecords(batch)].map(({ offset }) => offset);
    return { name: nameOfBatch(batch), baseOffset, nextOffset: baseOffset + lastOffsetDelta + 1, offsets };
  });
}

/** Reads one partition over and over, now here, now there, and asks for its offsets in between. */
export class Consumer {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #name: string;
  readonly #topicName: string;
  readonly #partitionIndex: number;
  #topicId: TopicId | undefined;
  #position: Offset = 0;

  constructor(
    world: World,
    options: { readonly name: string; readonly topicName: string; readonly partitionIndex: number },
  ) {
    this.#world = world;
    this.#random = world.fork();
    this.#name = options.name;
    this.#topicName = options.topicName;
    this.#partitionIndex = options.partitionIndex;
  }

  async run(isDone: () => boolean): Promise<void> {
    const { scheduler, profile } = this.#world;
    let connection: Connection | undefined;
    while (!isDone()) {
      await scheduler.sleep(2 * profile.thinkMs(this.#random));
      if (connection === undefined || connection.isClosed || this.#random.chance(0.3)) {
        connection?.close();
        const broker = this.#world.anyBroker(this.#random);
        connection = broker === undefined ? undefined : this.#world.connect(broker, this.#random);
      }
      if (connection === undefined) continue;
      if (this.#random.chance(0.25)) await this.#askOffset(connection, "latest");
      else if (this.#random.chance(0.05)) await this.#askOffset(connection, "earliest");
      else await this.#fetch(connection);
      if (this.#random.chance(0.05)) this.#position = 0;
      if (profile.workers !== undefined && this.#random.chance(profile.workers.rewindRate)) {
        this.#position = this.#random.below(this.#position + 1);
      }
    }
  }

  get #named(): Named {
    return { topicName: this.#topicName, topicId: this.#topicId, partitionIndex: this.#partitionIndex };
  }

  async #fetch(connection: Connection): Promise<void> {
    const { scheduler } = this.#world;
    // Now and then beyond what there is, as a client that believed another broker.
    const fetchOffset = this.#position + (this.#random.chance(0.05) ? this.#random.below(6) : 0);
    const startMs = scheduler.elapsedMs;
    const bytesMax = this.#random.chance(0.5) ? 200 + this.#random.below(4_000) : 1_000_000;
    const service = fetch(this.#named, fetchOffset, { bytesMax, waitMsMax: this.#random.below(500) });
    const reply = await connection.call(service, 30_000);
    if (reply.kind === "answer") this.#note(reply.value, fetchOffset, startMs);
  }

  #note({ topicId, fetched }: Fetched, fetchOffset: Offset, startMs: number): void {
    const { scheduler, history } = this.#world;
    const endMs = scheduler.elapsedMs;
    const partitionIndex = this.#partitionIndex;
    const { error } = fetched;
    if (error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      this.#noteUnknown(startMs);
      return;
    }
    if (topicId === undefined) return;
    this.#topicId = topicId;
    let batches: readonly SeenBatch[] = [];
    try {
      batches = seenBatches(fetched.records);
    } catch (damage) {
      history.problems.push(`checkNothingShownEarly: ${this.#name} was given damaged bytes: ${describeError(damage)}`);
    }
    const { highWatermark } = fetched;
    const seen = { client: this.#name, topicId, partitionIndex, fetchOffset, error, highWatermark, batches };
    history.fetches.push({ ...seen, startMs, endMs });
    scheduler.trace(
      `${this.#name} ${fetchOffset}: ${error} ${batches.map(({ name, baseOffset }) => `${name}@${baseOffset}`)}`,
    );
    if (error === ErrorCode.NONE) this.#position = batches.at(-1)?.nextOffset ?? fetchOffset;
    if (error === ErrorCode.OFFSET_OUT_OF_RANGE) this.#position = 0;
  }

  async #askOffset(connection: Connection, spec: "earliest" | "latest"): Promise<void> {
    const { scheduler, history } = this.#world;
    const startMs = scheduler.elapsedMs;
    const reply = await connection.call(listOffset(this.#named, spec), 30_000);
    if (reply.kind !== "answer") return;
    const { topicId, found } = reply.value;
    if (found.error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      this.#noteUnknown(startMs);
      return;
    }
    if (topicId === undefined) return;
    const endMs = scheduler.elapsedMs;
    const { error, offset } = found;
    history.offsets.push({
      client: this.#name,
      topicId,
      partitionIndex: this.#partitionIndex,
      spec,
      error,
      offset,
      startMs,
      endMs,
    });
    scheduler.trace(`${this.#name} ${spec}: ${error} ${offset}`);
    if (spec === "earliest" && error === ErrorCode.NONE) this.#position = offset;
  }

  #noteUnknown(startMs: number): void {
    const { scheduler, history } = this.#world;
    history.unknownTopics.push({
      client: this.#name,
      topicName: this.#topicName,
      topicId: this.#topicId,
      partitionIndex: this.#partitionIndex,
      startMs,
      endMs: scheduler.elapsedMs,
    });
    scheduler.trace(`${this.#name}: unknown topic`);
    // Perhaps another of that name comes.
    this.#topicId = undefined;
    this.#position = 0;
  }
}
