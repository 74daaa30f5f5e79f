import type { Broker } from "#lib/broker/assemble-broker.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { CLIENT_FETCH_BYTES_MAX, CLIENT_FETCH_PARTITION_BYTES_MAX, CLIENT_FETCH_WAIT_MS } from "#lib/util/limits.ts";
import { gatewaySettings } from "../aws/deployment.ts";
import { batchOf } from "../aws/open-loop.ts";
import { KIBIBYTE } from "../kafka/sizes.ts";
import { CostWorld, NEVER } from "./cost-world.ts";
import type { CostTimes, Counted } from "./counted.ts";

const TOPIC = "bench";
const PARTITIONS = 6;
export const CONSUMERS = 3;
const REQUESTS_PER_SECOND = 100;
const RECORDS_PER_REQUEST = 98;
/** `auto.commit.interval.ms` of Kafka's consumers. */
const COMMIT_MS = 5_000;

/** A broker with the partitions whose clients come to it. */
interface BrokerAt {
  readonly broker: Broker;
  readonly topic: TopicView;
  readonly partitions: readonly number[];
}

/**
 * 10 MB/s in records of 1 KiB, read by three consumers that keep up, each of a group of its own: through as many brokers
 * as there are stores, as `gatewayBrokers` deploys them.
 */
export async function countGateway(storeCount: number, times: CostTimes): Promise<Counted> {
  await using world = new CostWorld({ storeCount, seed: 1 });
  return await world.run(new GatewayLoad(world, storeCount).count(times));
}

class GatewayLoad {
  readonly #world: CostWorld;
  readonly #storeCount: number;
  readonly #brokers: BrokerAt[] = [];
  readonly #batch = batchOf(RECORDS_PER_REQUEST);
  readonly #stopping = new AbortController();
  #producedRecords = 0;

  constructor(world: CostWorld, storeCount: number) {
    this.#world = world;
    this.#storeCount = storeCount;
  }

  async count({ warmUpSeconds, seconds }: CostTimes): Promise<Counted> {
    const { meter } = this.#world;
    await this.#startBrokers();
    const consumers = this.#brokers.flatMap((at) =>
      Array.from({ length: CONSUMERS }, (_, index) => this.#consume(at, `group-${index}`)),
    );
    await this.#produce(warmUpSeconds);
    this.#world.reset();
    const producedBytes = await this.#produce(seconds);
    const lines = meter.lines();
    const { appendedUnits } = meter;
    // Whoever is at the end hears of the last records within one wait.
    await this.#world.clock.sleep(2 * CLIENT_FETCH_WAIT_MS);
    this.#stopping.abort();
    const consumed = (await Promise.all(consumers)).reduce((sum, records) => sum + records, 0);
    const missing = this.#producedRecords * CONSUMERS - consumed;
    if (missing !== 0) throw new Error(`the consumers are ${missing} records behind`);
    return { lines, appendedUnits, producedBytes, seconds };
  }

  async #startBrokers(): Promise<void> {
    const settings = gatewaySettings({ storeClass: "Standard", storeCount: this.#storeCount });
    for (let brokerId = 0; brokerId < this.#storeCount; brokerId++) {
      const broker = await this.#world.start({ ...settings, identity: { brokerId, rack: null } });
      if (brokerId === 0) await this.#world.createTopic(broker, TOPIC, PARTITIONS);
      const topic = await this.#world.topicAt(broker, TOPIC);
      const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
      const own = partitions.filter((partition) => partition % this.#storeCount === brokerId);
      this.#brokers.push({ broker, topic, partitions: own });
    }
  }

  /** At a rate that nothing slows down; answers the bytes of values when all are acknowledged. */
  async #produce(seconds: number): Promise<number> {
    const requests: Promise<void>[] = [];
    const count = seconds * REQUESTS_PER_SECOND;
    for (let sent = 0; sent < count; sent++) {
      await this.#world.clock.sleep(1_000 / REQUESTS_PER_SECOND);
      const at = this.#brokers[sent % this.#brokers.length];
      const partition = at?.partitions[Math.floor(sent / this.#brokers.length) % at.partitions.length];
      if (at === undefined || partition === undefined) throw new Error("every broker has partitions");
      requests.push(this.#append(at, partition));
    }
    await Promise.all(requests);
    this.#producedRecords += count * RECORDS_PER_REQUEST;
    return count * RECORDS_PER_REQUEST * KIBIBYTE;
  }

  async #append({ broker, topic }: BrokerAt, partitionIndex: number): Promise<void> {
    const bytes = this.#batch;
    const append = { topic: topic.placement, partitionIndex, header: readBatchHeader(bytes), bytes };
    const [answer] = await broker.services.appender.append([append], { signal: NEVER, requireMinInsync: true });
    if (answer?.kind !== "appended") throw new Error(`a batch is not appended: ${JSON.stringify(answer)}`);
  }

  /** Follows the partitions of one broker until it is told to stop; answers how many records it has seen. */
  async #consume({ broker, topic, partitions }: BrokerAt, group: string): Promise<number> {
    const { clock } = this.#world;
    const { signal } = this.#stopping;
    const offsets = new Map(partitions.map((partition) => [partition, 0]));
    let committedAtMs = clock.monotonicMs();
    while (!signal.aborted) {
      const asked = [...offsets].map(([partitionIndex, fetchOffset]) => ({
        topic: topic.placement,
        partitionIndex,
        fetchOffset,
        bytesMax: CLIENT_FETCH_PARTITION_BYTES_MAX,
      }));
      const limits = { bytesMax: CLIENT_FETCH_BYTES_MAX, bytesMin: 1, waitMsMax: CLIENT_FETCH_WAIT_MS };
      const fetched = await broker.services.fetcher.fetch(asked, { ...limits, readCommitted: false, signal: NEVER });
      for (const [index, { error, records }] of fetched.entries()) {
        assertNoError(error, TOPIC);
        const last = splitBatches(Buffer.concat(records)).batches.at(-1);
        if (last !== undefined) offsets.set(partitions[index] ?? -1, lastOffsetOf(readBatchHeader(last)) + 1);
      }
      if (clock.monotonicMs() - committedAtMs < COMMIT_MS) continue;
      committedAtMs = clock.monotonicMs();
      await commit({ broker, topic, partitions }, group, offsets);
    }
    return [...offsets.values()].reduce((sum, offset) => sum + offset, 0);
  }
}

async function commit(
  { broker, topic }: BrokerAt,
  groupId: string,
  offsets: ReadonlyMap<number, number>,
): Promise<void> {
  const partitions = [...offsets].map(([partitionIndex, offset]) => ({
    partitionIndex,
    offset,
    leaderEpoch: -1,
    metadata: "",
    expiresAtMs: -1,
  }));
  const request = {
    groupId,
    memberId: "",
    groupInstanceId: undefined,
    generationIdOrMemberEpoch: -1,
    knowsMemberEpochs: true,
  };
  const { clusterSeq } = topic.placement;
  const resolve = async () => ({ clusterSeq, topics: [{ topicId: topic.topicId, partitions }] });
  assertNoError(await broker.services.groups.offsets.commit(request, resolve, NEVER), groupId);
}
