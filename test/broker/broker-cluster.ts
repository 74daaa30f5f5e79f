import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import type { BrokerCommand } from "#lib/cluster/broker-command.ts";
import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { BROKERS_FEATURE_LEVEL, CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { LEADERS_FEATURE_LEVEL, logStateMachine } from "#lib/log/log-state-machine.ts";
import { journalOfPartition } from "#lib/log/partition-directory.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";

type ClusterHand = ReplicatedState<ClusterState, ClusterCommand, ClusterOutcome>;

const NEVER = new AbortController().signal;
const RACKS = ["a", "b", "c"];

/** A broker of the cluster with a connection to it. Broker k is at home at store k, in rack a, b or c. */
export interface ClusterBroker {
  readonly brokerId: number;
  readonly memory: MemoryBroker;
  readonly connection: KafkaConnection;
}

/**
 * Brokers over shared journals and stores in memory, and another process that registers them, fences them and elects
 * leaders at the test's word: the brokers learn of it as they do of each other.
 */
export class BrokerCluster implements AsyncDisposable {
  readonly brokers: readonly ClusterBroker[];
  readonly objects: readonly MemoryObjectService[];
  readonly #clock = new SystemClock();
  readonly #journals: MemoryJournalService;

  static async start(count: number): Promise<BrokerCluster> {
    const clock = new SystemClock();
    const journals = new MemoryJournalService(clock);
    const objects = Array.from({ length: count }, () => new MemoryObjectService(clock));
    const brokers: ClusterBroker[] = [];
    for (let brokerId = 0; brokerId < count; brokerId++) {
      const memory = await startMemoryBroker({
        brokerId,
        rack: defined(RACKS[brokerId]),
        // Whom a test elects stays; and no broker looks at the journals by itself.
        brokerConfigs: { "auto.leader.rebalance.enable": "false", "broker.heartbeat.interval.ms": "600000" },
        journal: new MemoryJournal(journals, NO_JOURNAL_FAULTS, `broker-${brokerId}`),
        stores: new Map(objects.map((service, id) => [id, new MemoryObjectStore(service, { clock })])),
      });
      brokers.push({ brokerId, memory, connection: await memory.connect() });
    }
    const cluster = new BrokerCluster(brokers, objects, journals);
    for (const broker of brokers) await cluster.register(broker);
    for (const broker of brokers) await cluster.catchUp(broker);
    return cluster;
  }

  private constructor(
    brokers: readonly ClusterBroker[],
    objects: readonly MemoryObjectService[],
    journals: MemoryJournalService,
  ) {
    this.brokers = brokers;
    this.objects = objects;
    this.#journals = journals;
  }

  broker(brokerId: number): ClusterBroker {
    return defined(this.brokers[brokerId]);
  }

  connection(brokerId: number): KafkaConnection {
    return this.broker(brokerId).connection;
  }

  register({ brokerId, memory }: ClusterBroker): Promise<void> {
    return this.tellCluster({
      kind: "register-broker",
      brokerId,
      incarnation: uuidFromBytes(Uint8Array.from({ length: 16 }, () => brokerId + 1)),
      storeId: brokerId,
      rack: RACKS[brokerId] ?? null,
      endpoints: [{ name: "PLAINTEXT", host: "127.0.0.1", port: memory.port }],
      replaces: undefined,
    });
  }

  /** Ends a broker without a word, and says so in its place. */
  async kill(brokerId: number): Promise<void> {
    const { connection, memory } = this.broker(brokerId);
    await connection.close();
    await memory[Symbol.asyncDispose]();
    const state = await this.#openCluster();
    const { brokerEpoch, seenSeq } = defined(state.state.brokers.get(brokerId));
    await this.#propose(state, { kind: "fence-broker", brokerId, brokerEpoch, seenSeq });
  }

  /** A topic with a replica at every store. */
  async createTopic(name: string, numPartitions: number, configs: Readonly<Record<string, string>> = {}) {
    const connection = defined(this.brokers[0]).connection;
    await connection.send(Apis.CREATE_TOPICS, 7, {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor: this.objects.length,
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
    });
    for (const broker of this.brokers) await this.catchUp(broker);
  }

  /** Elects `brokerId` in the partition's journal, which is placed before. Nobody who runs hears of it. */
  async elect(brokerId: number, topic: string, partition = 0): Promise<void> {
    const { state, seq: clusterSeq } = await this.#openCluster();
    const { brokerEpoch } = defined(state.brokers.get(brokerId));
    await this.tellLog(topic, partition, ({ leader }) => ({
      kind: "elect",
      expectedEpoch: leader.epoch,
      brokerId,
      brokerEpoch,
      clusterSeq,
    }));
  }

  /** The other stores fail from now on, so that nobody brings them back into the ISR. */
  async alterIsr(isr: readonly number[], topic: string, partition = 0): Promise<void> {
    for (const [storeId, service] of this.objects.entries()) service.isDown = !isr.includes(storeId);
    await this.tellLog(topic, partition, ({ isrEpoch }) => ({ kind: "alter-isr", expectedIsrEpoch: isrEpoch, isr }));
  }

  async tellCluster(command: BrokerCommand): Promise<void> {
    await this.#propose(await this.#openCluster(), command);
  }

  async tellLog(topic: string, partition: number, commandOf: (state: LogState) => LogCommand): Promise<LogOutcome> {
    const { placement } = defined(defined(this.brokers[0]).memory.broker.services.cluster.topicByName(topic));
    const id = logJournalId(journalOfPartition(placement, partition));
    const state = new ReplicatedState({ id, machine: logStateMachine, ...this.#ports() });
    await state.open(NEVER);
    await state.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, NEVER);
    const replicas = this.objects.map((_, at) => at);
    if (state.state.replicas.length === 0) {
      await state.propose({ kind: "place-replicas", replicas }, { lane: "test", signal: NEVER });
    }
    const { outcome } = await state.propose(commandOf(state.state), { lane: "test", signal: NEVER });
    state.close();
    return outcome;
  }

  /** Lets a broker fold what others have written. */
  catchUp({ memory }: Pick<ClusterBroker, "memory">): Promise<void> {
    return memory.broker.chores.catchUp("opened", NEVER);
  }

  async catchUpAll(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => this.catchUp(broker).catch(() => undefined)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { connection, memory } of this.brokers) {
      await connection.close();
      await memory[Symbol.asyncDispose]();
    }
  }

  async #openCluster(): Promise<ClusterHand> {
    const state = new ReplicatedState({ id: CLUSTER_JOURNAL_ID, machine: clusterStateMachine, ...this.#ports() });
    await state.open(NEVER);
    return state;
  }

  async #propose(state: ClusterHand, command: BrokerCommand): Promise<void> {
    await state.raiseFeatureLevel(BROKERS_FEATURE_LEVEL, NEVER);
    await state.propose(command, { lane: "test", signal: NEVER });
    state.close();
  }

  #ports() {
    return {
      journal: new MemoryJournal(this.#journals, NO_JOURNAL_FAULTS, "hand"),
      objects: new MemoryJournalObjects(),
      clock: this.#clock,
      random: new SystemRandom(),
      logger: SILENT_LOGGER,
    };
  }
}
