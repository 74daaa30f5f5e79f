import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { BrokerMembership } from "#lib/cluster/broker-membership.ts";
import { CLUSTER_JOURNAL_ID } from "#lib/cluster/cluster-state-machine.ts";
import { Elector } from "#lib/cluster/elector.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { defined } from "#lib/util/assert.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type ClusterProcess, ClusterWorld, NEVER } from "./cluster-harness.ts";

const STORE_IDS = [0, 1, 2];

/** What goes wrong with every call of one process, while it does. */
export class Trouble implements JournalFaultPlan {
  fault: JournalFault | undefined;
  /** The stores that it cannot reach. */
  readonly suspectStores = new Set<number>();

  next(): JournalFault | undefined {
    return this.fault;
  }
}

export interface BrokerOptions {
  readonly replacesDead?: boolean;
  readonly startConfigs?: Readonly<Record<string, string>>;
  /** See `MembershipPorts`. */
  readonly isProvenDead?: (brokerId: number) => boolean;
}

/** One start of a broker, homed at the store of its id modulo 3. */
export interface RunningBroker {
  readonly brokerId: number;
  readonly process: ClusterProcess;
  readonly membership: BrokerMembership;
  readonly elector: Elector;
  readonly trouble: Trouble;
  /** Resolves when its membership has ended: to why, if not by the test's word. */
  readonly ended: Promise<unknown>;
  /** Ends it without a word. */
  kill(): void;
  /** Ends it in order. */
  stop(): Promise<void>;
}

/** Brokers over three stores and three log journals, of which broker k is to lead the k-th. */
export class BrokerWorld {
  readonly cluster = new ClusterWorld();
  #starts = 0;

  /** A process that registers nothing, such as a function; its elector takes it for that broker. */
  async bystander(brokerId: number, options: BrokerOptions = {}) {
    const trouble = new Trouble();
    const startConfigs = new Map(Object.entries(options.startConfigs ?? {}));
    const process = await this.cluster.start({ faults: trouble, startConfigs, storeCount: STORE_IDS.length });
    await this.cluster.run(process.logJournals.openAll(NEVER));
    const { view, journal, logJournals } = process;
    const { clock } = this.cluster;
    const shared = { cluster: view, clock, logger: SILENT_LOGGER };
    const elector = new Elector({
      ...{ ...shared, brokerId, clusterJournal: journal },
      ...{ journals: logJournals, storeIds: STORE_IDS },
      isStoreSuspect: (id) => trouble.suspectStores.has(id),
    });
    return { brokerId, process, elector, trouble };
  }

  /** Not yet registered. */
  async prepare(brokerId: number, options: BrokerOptions = {}): Promise<RunningBroker> {
    const broker = await this.bystander(brokerId, options);
    const { elector } = broker;
    const { view, journal, logJournals } = broker.process;
    const { clock } = this.cluster;
    const { isProvenDead = () => false } = options;
    const membership = new BrokerMembership(
      { brokerId, rack: null, storeId: brokerId % STORE_IDS.length, replacesDead: options.replacesDead ?? false },
      {
        ...{ cluster: view, clock, logger: SILENT_LOGGER, journal, isProvenDead },
        random: new SeededRandom(++this.#starts),
      },
    );
    const life = sharedAbortController();
    const run = async (): Promise<void> => {
      const endpoints = [{ name: "PLAINTEXT", host: "127.0.0.1", port: 9_000 + brokerId }];
      await membership.register(endpoints, life.signal);
      elector.follow(life.signal);
      void elector.elect(life.signal);
      await membership.run(life.signal, () => void elector.tick(life.signal));
    };
    const ended = run().catch((error: unknown) => (life.signal.aborted ? undefined : error));
    const kill = () => {
      life.abort(new Error("killed"));
      for (const each of [journal, ...logJournals.allOpened()]) if ("close" in each) each.close();
    };
    const stop = () => {
      life.abort(new Error("stopped"));
      return this.cluster.run(membership.stop(NEVER));
    };
    return { ...broker, membership, ended, kill, stop };
  }

  /** Registered, and what follows from it done. */
  async start(brokerId: number, options: BrokerOptions = {}): Promise<RunningBroker> {
    const broker = await this.prepare(brokerId, options);
    await this.cluster.clock.advance(500);
    return broker;
  }

  async startAll(count = 3): Promise<readonly RunningBroker[]> {
    const brokers: RunningBroker[] = [];
    for (let brokerId = 0; brokerId < count; brokerId++) brokers.push(await this.start(brokerId));
    await this.pass(1_000);
    return brokers;
  }

  pass(ms: number): Promise<void> {
    return this.cluster.clock.advance(ms);
  }

  /** Who leads each journal by the journals themselves. */
  async leaders(): Promise<readonly number[]> {
    return (await this.#leaderStates()).map(({ brokerId }) => brokerId);
  }

  async leaderEpochs(): Promise<readonly number[]> {
    return (await this.#leaderStates()).map(({ epoch }) => epoch);
  }

  /** How long it takes until the leaders are these; by steps of 100 ms. */
  async untilLed(expected: readonly number[], msMax = 60_000): Promise<number> {
    for (let ms = 0; ms <= msMax; ms += 100) {
      if (String(await this.leaders()) === String(expected)) return ms;
      await this.pass(100);
    }
    throw new Error(`led by ${await this.leaders()}, not by ${expected}, for ${msMax} ms`);
  }

  clusterRecordCount(): number {
    return this.cluster.journalService.recordsOf(CLUSTER_JOURNAL_ID).length;
  }

  logRecordCount(journalNumber: number): number {
    return this.cluster.journalService.recordsOf(logJournalId(journalNumber)).length;
  }

  /** The state of each broker by the cluster journal itself. */
  async statuses(): Promise<readonly string[]> {
    const { view, journal } = await this.cluster.start();
    const found = view.brokers().map(({ brokerId, status }) => `${brokerId} ${status}`);
    journal.close();
    return found;
  }

  async #leaderStates() {
    const { logJournals, journal } = await this.cluster.start();
    const opened = await this.cluster.run(logJournals.openAll(NEVER));
    const states = opened.map(({ state }) => state.leader);
    journal.close();
    return states;
  }
}

export function brokerAt(brokers: readonly RunningBroker[], at: number): RunningBroker {
  return defined(brokers[at]);
}
