import { expect } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode, errorName } from "#lib/protocol/error-code.ts";
import { type BatchProducer, buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader, splitBatches, sumBatch } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import type { Offset } from "#lib/util/branded.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { BrokerSlot, World } from "./write-path-world.ts";

export const TOPIC = "events";
const PRODUCE_VERSION = 9;
const FETCH_VERSION = 12;
const BATCHES_IN_FLIGHT_MAX = 5;
const RECORDS_PER_BATCH_MAX = 4;

/** What became of a batch, as far as its producer was told. */
export interface SentBatch {
  readonly partition: number;
  /** Of its first record, counted by the producer per partition. */
  readonly baseSequence: number;
  readonly values: readonly string[];
  /** `unknown`: it may be there once, or not. `refused`: it is not there. */
  fate: "unknown" | "acknowledged" | "refused";
  baseOffset: Offset;
}

/** After these a batch may be there or not; after the others of `RETRIABLE` it is not. */
const AMBIGUOUS: ReadonlySet<number> = new Set([ErrorCode.REQUEST_TIMED_OUT]);
const RETRIABLE: ReadonlySet<number> = new Set([
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
]);

abstract class SimulatedProducer {
  readonly name: string;
  readonly batches: SentBatch[] = [];
  protected readonly world: World;
  protected readonly slots: readonly BrokerSlot[];
  protected readonly random: SeededRandom;
  readonly #nextSequences = new Map<number, number>();

  constructor(name: string, world: World, slots: readonly BrokerSlot[]) {
    this.name = name;
    this.world = world;
    this.slots = slots;
    this.random = world.random.fork();
  }

  abstract work(batchCount: number, partitionCount: number): Promise<void>;

  protected newBatch(partition: number): SentBatch {
    const baseSequence = this.#nextSequences.get(partition) ?? 0;
    const count = 1 + this.random.below(RECORDS_PER_BATCH_MAX);
    const values = Array.from({ length: count }, (_, index) => {
      const filler = "x".repeat(this.random.below(this.random.chance(0.1) ? 8_000 : 60));
      return `${this.name}/${partition}/${baseSequence + index}/${filler}`;
    });
    this.#nextSequences.set(partition, baseSequence + count);
    const batch: SentBatch = { partition, baseSequence, values, fate: "unknown", baseOffset: -1 };
    this.batches.push(batch);
    return batch;
  }

  protected async connect(): Promise<ClientConnection> {
    const slot = this.slots[this.random.below(this.slots.length)];
    if (slot === undefined) throw new Error("there is no broker");
    return (await slot.live()).connect();
  }

  /** One request with a batch for each of some partitions; answers each batch's error, undefined if none came. */
  protected async produce(
    connection: ClientConnection,
    batches: readonly SentBatch[],
    as: { readonly acks: number; readonly producerId: number },
  ): Promise<readonly (number | undefined)[]> {
    const partitionData = batches.map((batch) => ({ index: batch.partition, records: this.#encode(batch, as) }));
    const answer = await connection.send(Apis.PRODUCE, PRODUCE_VERSION, {
      acks: as.acks,
      timeoutMs: 1_000 + this.random.below(29_000),
      topicData: [{ name: TOPIC, partitionData }],
    });
    const partitions = answer?.responses[0]?.partitionResponses;
    return batches.map((batch, index) => {
      const own = partitions?.[index];
      if (own?.errorCode === ErrorCode.NONE) {
        batch.fate = "acknowledged";
        batch.baseOffset = own.baseOffset;
      }
      return own?.errorCode;
    });
  }

  #encode(batch: SentBatch, { producerId }: { readonly producerId: number }): Uint8Array {
    const records = batch.values.map((value) => ({
      timestampMs: this.world.clock.nowMs(),
      key: null,
      value: Buffer.from(value),
    }));
    const producer: BatchProducer = { producerId, producerEpoch: 0, baseSequence: batch.baseSequence };
    const options = this.random.chance(0.3) ? ({ codec: "gzip" } as const) : {};
    return buildBatch(records, producerId < 0 ? options : { ...options, producer });
  }
}

/** Sends every batch until it is acknowledged, in the order of its sequences, up to five in flight from the first on. */
export class IdempotentProducer extends SimulatedProducer {
  #producerId = -1;

  override async work(batchCount: number, partitionCount: number): Promise<void> {
    while (this.#producerId < 0) this.#producerId = await this.#askForId();
    const first = this.random.below(partitionCount);
    const partitions = [...new Set([first, (first + 1 + this.random.below(partitionCount)) % partitionCount])];
    await Promise.all(partitions.map((partition) => this.#fill(partition, batchCount)));
  }

  async #askForId(): Promise<number> {
    const connection = await this.connect();
    const request = { transactionalId: null, transactionTimeoutMs: 0 };
    const answer = await connection.send(Apis.INIT_PRODUCER_ID, 4, request);
    if (answer?.errorCode === ErrorCode.NONE) return answer.producerId;
    await this.world.clock.sleep(100);
    return -1;
  }

  async #fill(partition: number, batchCount: number): Promise<void> {
    let waiting: SentBatch[] = [];
    let left = batchCount;
    while (left > 0 || waiting.length > 0) {
      const windowMax = 1 + this.random.below(BATCHES_IN_FLIGHT_MAX);
      for (; left > 0 && waiting.length < windowMax; left--) waiting.push(this.newBatch(partition));
      const connection = await this.connect();
      const sent = waiting.map((batch) =>
        this.produce(connection, [batch], { acks: -1, producerId: this.#producerId }),
      );
      const errors = (await Promise.all(sent)).flat();
      this.#check(errors);
      waiting = waiting.filter((batch) => batch.fate !== "acknowledged");
      await this.world.sleepUpTo(waiting.length > 0 ? 500 : 200, this.random);
    }
  }

  #check(errors: readonly (number | undefined)[]): void {
    let isEarlierMissing = false;
    for (const error of errors) {
      if (error === ErrorCode.NONE) continue;
      // Only behind one that failed may a sequence be out of order.
      const isExplained = isEarlierMissing && error === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
      if (error !== undefined && !RETRIABLE.has(error) && !isExplained) {
        throw new Error(`${this.name} was answered ${errorName(error)}`);
      }
      isEarlierMissing = true;
    }
  }
}

/** Sends every batch once, to several partitions at once. */
export class PlainProducer extends SimulatedProducer {
  override async work(batchCount: number, partitionCount: number): Promise<void> {
    for (let left = batchCount; left > 0; ) {
      const connection = await this.connect();
      const requests: Promise<void>[] = [];
      const requestCount = 1 + this.random.below(8);
      for (let index = 0; index < requestCount && left > 0; index++, left--) {
        requests.push(this.#sendOnce(connection, partitionCount));
        if (this.random.chance(0.3)) await this.world.sleepUpTo(20, this.random);
      }
      await Promise.all(requests);
      await this.world.sleepUpTo(300, this.random);
    }
  }

  async #sendOnce(connection: ClientConnection, partitionCount: number): Promise<void> {
    const first = this.random.below(partitionCount);
    const partitions = [...new Set([first, this.random.below(partitionCount)])];
    const batches = partitions.map((partition) => this.newBatch(partition));
    const acks = this.random.chance(0.7) ? -1 : 1;
    const errors = await this.produce(connection, batches, { acks, producerId: -1 });
    for (const [index, error] of errors.entries()) {
      const batch = batches[index];
      if (batch === undefined || error === undefined || error === ErrorCode.NONE || AMBIGUOUS.has(error)) continue;
      if (!RETRIABLE.has(error)) throw new Error(`${this.name} was answered ${errorName(error)}`);
      batch.fate = "refused";
    }
  }
}

/** The records of one partition as somebody has seen them: `values[offset]`. */
export class SeenPartition {
  readonly values: (string | undefined)[] = [];

  /** Fails if an offset ever shows two values. */
  note(offset: Offset, value: string): void {
    const before = this.values[offset];
    if (before !== undefined) expect(value, `offset ${offset} showed ${before.slice(0, 40)} before`).toBe(before);
    this.values[offset] = value;
  }
}

/** Fetches whole batches from `offset` on, checks them, notes them; answers the next offset to fetch. */
export async function fetchOnce(
  connection: ClientConnection,
  at: { readonly partition: number; readonly offset: Offset },
  seen: SeenPartition,
): Promise<Offset> {
  const { partition, offset } = at;
  const partitions = [{ partition, fetchOffset: offset, partitionMaxBytes: 100_000 }];
  const limits = { maxWaitMs: 200, minBytes: 1, maxBytes: 100_000 };
  const answer = await connection.send(Apis.FETCH, FETCH_VERSION, {
    ...limits,
    topics: [{ topic: TOPIC, partitions }],
    forgottenTopicsData: [],
    rackId: "",
  });
  const own = answer?.responses[0]?.partitions[0];
  if (own === undefined || own.errorCode === ErrorCode.KAFKA_STORAGE_ERROR) return offset;
  expect(own.errorCode, "error of a fetch").toBe(ErrorCode.NONE);
  let next: Offset | undefined;
  const { batches } = splitBatches(own.records ?? new Uint8Array(0));
  for (const batch of batches) {
    const header = readBatchHeader(batch);
    expect(sumBatch(batch)).toBe(header.crc);
    if (next !== undefined) expect(header.baseOffset, "offsets go on without a gap").toBe(next);
    for (const record of readRecords(batch)) seen.note(record.offset, Buffer.from(record.value ?? []).toString());
    next = header.baseOffset + header.lastOffsetDelta + 1;
    expect(next).toBeLessThanOrEqual(own.highWatermark);
  }
  return next ?? offset;
}

/** The log end by ListOffsets, which must not be older than the request; undefined without an answer. */
export async function logEnd(connection: ClientConnection, partition: number): Promise<Offset | undefined> {
  const answer = await connection.send(Apis.LIST_OFFSETS, 5, {
    replicaId: -1,
    topics: [{ name: TOPIC, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
  });
  const own = answer?.topics[0]?.partitions[0];
  return own?.errorCode === ErrorCode.NONE ? own.offset : undefined;
}
