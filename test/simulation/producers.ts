import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { BatchProducer } from "#lib/record/batch-builder.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { type NamedBatch, namedBatch } from "./batches.ts";
import type { Connection, Reply } from "./connection.ts";
import type { AppendResult } from "./history.ts";
import { logUniform } from "./profile.ts";
import { type Acks, act, type Produced, produce } from "./services.ts";
import type { World } from "./world.ts";

export interface ProducerOptions {
  readonly name: string;
  readonly topicName: string;
  readonly partitionIndex: number;
  readonly batchCount: number;
  readonly inFlightMax: number;
}

interface Outgoing {
  readonly batch: NamedBatch;
  readonly number: number;
  readonly producerId: number | undefined;
}

/** What both kinds of producers have in common: batches with names, tries that are written down. */
class ProducerClient {
  readonly world: World;
  readonly random: SeededRandom;
  readonly options: ProducerOptions;
  readonly #acks: Acks;
  #connection: Connection | undefined;

  /** `acksMin`: Kafka's idempotent producers are acknowledged by all; ours by one at least. */
  constructor(world: World, options: ProducerOptions, acksMin: "0" | "1" = "1") {
    this.world = world;
    this.random = world.fork();
    this.options = options;
    this.#acks = this.random.chance(0.8) ? "all" : "1";
    if (acksMin === "0" && world.profile.replicas !== undefined && this.random.chance(0.2)) this.#acks = "0";
  }

  newBatch(number: number, producer?: BatchProducer): Outgoing {
    const { random, world } = this;
    const { workers } = world.profile;
    const recordCount = 1 + random.below(3);
    const keys = workers && Array.from({ length: recordCount }, () => `k:${random.below(workers.keyCount)}`);
    const batch = namedBatch(
      `${this.options.name}.${number}`,
      {
        recordCount,
        paddingBytes: random.chance(0.2) ? random.below(3_000) : random.below(60),
        timestampMs: world.scheduler.nowMs,
        ...(keys === undefined ? {} : { keys }),
      },
      producer,
    );
    return { batch, number, producerId: producer?.producerId };
  }

  /** The connection in use, or one to some process. */
  async connection(): Promise<Connection> {
    const { topicName, partitionIndex } = this.options;
    const known = this.world.leaderOf(this.random, topicName, partitionIndex);
    if (known !== undefined && known !== this.#connection?.broker) this.disconnect();
    for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, 600_000)) {
      if (this.#connection?.isClosed === false) return this.#connection;
      const leader = this.world.leaderOf(this.random, topicName, partitionIndex);
      const broker = leader ?? this.world.anyBroker(this.random);
      if (broker !== undefined) this.#connection = this.world.connect(broker, this.random);
      if (this.#connection?.isClosed !== false) await this.world.scheduler.sleep(waitMs);
    }
  }

  disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async attempt(connection: Connection, { batch, number, producerId }: Outgoing): Promise<Reply<Produced>> {
    const { scheduler, history } = this.world;
    const { name, topicName, partitionIndex, inFlightMax } = this.options;
    const startMs = scheduler.elapsedMs;
    const timeoutMs = this.random.chance(0.2) ? logUniform(this.random, 50, 5_000) : 40_000;
    const named = { topicName, topicId: undefined, partitionIndex };
    const service = produce(named, batch.bytes, { acks: this.#acks, timeoutMs: 30_000 });
    const reply = await connection.call(service, timeoutMs);
    const endMs = scheduler.elapsedMs;
    history.appends.push({
      client: name,
      batchName: batch.name,
      batchNumber: number,
      recordCount: batch.recordCount,
      isIdempotent: producerId !== undefined,
      inFlightMax,
      order: `${name} ${producerId === undefined ? `over ${connection.name}` : `as producer ${producerId}`}`,
      topicName,
      partitionIndex,
      startMs,
      endMs,
      result: resultOf(reply),
    });
    if (errorOf(reply) === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      const topicId = reply.kind === "answer" ? reply.value.topicId : undefined;
      history.unknownTopics.push({ client: name, topicName, topicId, partitionIndex, startMs, endMs });
    }
    scheduler.trace(`${name} ${batch.name}: ${JSON.stringify(reply)}`);
    return reply;
  }
}

function resultOf(reply: Reply<Produced>): AppendResult {
  if (reply.kind === "none") return { kind: "unknown" };
  const { answer, topicId } = reply.value;
  if (answer === undefined) return { kind: "unknown" };
  if (answer.kind === "refused") {
    const isOpen = answer.error === ErrorCode.REQUEST_TIMED_OUT || answer.error === ErrorCode.UNKNOWN_SERVER_ERROR;
    return isOpen ? { kind: "unknown" } : { kind: "refused", error: answer.error };
  }
  if (topicId === undefined) return { kind: "unknown" };
  return { kind: "acknowledged", topicId, baseOffset: answer.baseOffset, isDuplicate: answer.kind === "duplicate" };
}

function errorOf(reply: Reply<Produced>): ErrorCode | undefined {
  const answer = reply.kind === "answer" ? reply.value.answer : undefined;
  return answer?.kind === "refused" ? answer.error : undefined;
}

/** Sends without waiting for the answers before, over one connection as long as it lasts, and tries nothing twice. */
export async function runPlainProducer(world: World, options: ProducerOptions): Promise<void> {
  const client = new ProducerClient(world, options, "0");
  const pending = new Set<Promise<unknown>>();
  for (let number = 0; number < options.batchCount; number++) {
    const connection = await client.connection();
    const attempt = client.attempt(connection, client.newBatch(number));
    const done: Promise<unknown> = attempt.finally(() => pending.delete(done));
    pending.add(done);
    if (pending.size >= options.inFlightMax) await Promise.race(pending);
    await world.scheduler.sleep(world.profile.thinkMs(client.random));
    if (client.random.chance(0.05)) client.disconnect();
  }
  await Promise.all(pending);
}

/** As Kafka's clients do with idempotence: what was not acknowledged is sent again in order, to whichever process answers. */
export async function runIdempotentProducer(world: World, options: ProducerOptions): Promise<void> {
  const client = new ProducerClient(world, options);
  const { random } = client;
  let number = 0;
  let producer = await newProducer(client);
  let sequence = 0;
  let unacknowledged: Outgoing[] = [];
  let failures = 0;
  while (number < options.batchCount || unacknowledged.length > 0) {
    while (unacknowledged.length < options.inFlightMax && number < options.batchCount) {
      const outgoing = client.newBatch(number++, { producerId: producer, producerEpoch: 0, baseSequence: sequence });
      sequence += outgoing.batch.recordCount;
      unacknowledged.push(outgoing);
    }
    const connection = await client.connection();
    const replies = await Promise.all(unacknowledged.map((each) => client.attempt(connection, each)));
    const left = unacknowledged.filter((_, index) => {
      const reply = replies[index];
      return reply?.kind !== "answer" || reply.value.answer?.kind === "refused";
    });
    const firstError = left[0] === undefined ? undefined : errorOf(replies[unacknowledged.indexOf(left[0])] ?? NONE);
    unacknowledged = left;
    if (firstError !== undefined && FATAL.has(firstError)) {
      // What may have been appended is given up; a new producer id begins anew.
      unacknowledged = [];
      producer = await newProducer(client);
      sequence = 0;
    }
    if (left.length > 0 && random.chance(0.5)) client.disconnect();
    failures = left.length === 0 ? 0 : failures + 1;
    if (failures === 0) await world.scheduler.sleep(world.profile.thinkMs(random));
    // Whole days may pass in which every process sleeps.
    else await world.scheduler.sleep(logUniform(random, 5, 500 * 2 ** Math.min(failures, 11)));
  }
}

const NONE = { kind: "none" } as const;
const FATAL: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.INVALID_PRODUCER_EPOCH,
]);

async function newProducer(client: ProducerClient): Promise<number> {
  for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, 600_000)) {
    const connection = await client.connection();
    const reply = await connection.call(
      act((broker, signal) => broker.producerIds.next(signal)),
      30_000,
    );
    if (reply.kind === "answer") return reply.value;
    client.disconnect();
    await client.world.scheduler.sleep(waitMs);
  }
}
