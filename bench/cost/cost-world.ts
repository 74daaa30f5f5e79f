import { assembleBroker, type Broker, type BrokerSettings } from "#lib/broker/assemble-broker.ts";
import type { BrokerPorts } from "#lib/broker/open-journals.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { JournalCapacity } from "#lib/config/journal-capacity.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { SeededRandom } from "../../test/support/seeded-random.ts";
import { bucketsOf, latencyOf, type StoreClass } from "../aws/deployment.ts";
import { latentJournal, latentStore } from "../aws/latent-services.ts";
import { Meter, MeteredJournal, MeteredStore } from "./meter.ts";
import { ProvisionedTable } from "./provisioned-table.ts";
import { SteadyTrims } from "./steady-trims.ts";

export const NEVER = new AbortController().signal;
/** What one step of time wakes may need several turns of the event loop, before the next step. */
const TURNS_A_STEP = 4;
const STEP_MS = 1;

export interface CostWorldOptions {
  readonly storeCount: number;
  /** Default: Standard. */
  readonly storeClass?: StoreClass;
  /** As in `Deployment`. */
  readonly slowdown?: number;
  /** Default: on demand. Paid by the hour, records of a day ago are deleted as fast as new ones come. */
  readonly capacity?: JournalCapacity;
  readonly seed: number;
}

/** A minute and more of 10 MB/s in one and a half GB of memory: a leader that has not written an object itself looks after its copies. */
const OBJECTS_KEPT = 1_000;

/** The services of one deployment on a clock of its own, and what they were asked. Brokers and functions share them. */
export class CostWorld implements AsyncDisposable {
  readonly clock: Clock;
  readonly #time = new ManualClock();
  readonly meter = new Meter();
  readonly random: SeededRandom;
  /** Of a deployment whose journals are paid by the hour. */
  readonly table: ProvisionedTable | undefined;
  readonly #trimming = new AbortController();
  readonly #ports: Omit<BrokerPorts, "random">;
  readonly #brokers: Broker[] = [];

  constructor({ storeCount, storeClass = "Standard", slowdown = 1, capacity = "on-demand", seed }: CostWorldOptions) {
    const { meter } = this;
    const clock = inWholeMs(this.#time);
    this.clock = clock;
    const random = new SeededRandom(seed);
    this.random = random;
    const stores = bucketsOf({ storeClass, storeCount }).map((bucket, id) => {
      const store = latentStore(latencyOf({ storeClass, slowdown }, id), { clock, random, objectsKept: OBJECTS_KEPT });
      return [id, new MeteredStore(store, meter, bucket)] as const;
    });
    this.table = capacity === "on-demand" ? undefined : new ProvisionedTable(clock, capacity);
    const trims = capacity === "on-demand" ? undefined : new SteadyTrims({ clock, random: random.fork() });
    const journal = new MeteredJournal(latentJournal({ clock, random }), { meter, capacity: this.table, trims });
    void trims?.run((units) => journal.deleteBatch(units), this.#trimming.signal);
    this.#ports = {
      journal,
      stores: new StoreSet(new Map(stores)),
      clock,
      logger: SILENT_LOGGER,
    };
  }

  /** A process: a gateway's broker, or one environment of a function. */
  async start(settings: BrokerSettings): Promise<Broker> {
    const broker = await assembleBroker({ ...this.#ports, random: this.random.fork() }, settings);
    this.#brokers.push(broker);
    return broker;
  }

  async createTopic({ services }: Broker, name: string, partitionCount: number): Promise<TopicView> {
    const topic = { name, partitionCount, replicationFactor: -1, configs: new Map() };
    const result = await services.topicAdmin.createTopic(topic, { validateOnly: false, signal: NEVER });
    if (result.kind === "refused") throw new Error(result.message);
    return this.topicAt({ services }, name);
  }

  async topicAt({ services }: Pick<Broker, "services">, name: string): Promise<TopicView> {
    await services.cluster.refresh(NEVER);
    const view = services.cluster.topicByName(name);
    if (view === undefined) throw new Error(`${name} is not there`);
    return view;
  }

  /** Lets time pass in small steps until `work` is done: nothing is late because this process is slow. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    work.then(settle, settle);
    while (!isSettled) {
      for (let turn = 0; turn < TURNS_A_STEP; turn++) await this.clock.endOfTurn();
      await this.#time.advance(STEP_MS);
    }
    return await work;
  }

  /** Lets time pass as fast as it can, where hardly anything happens and nothing overlaps. */
  async leap(ms: number): Promise<void> {
    await this.#time.run(this.clock.sleep(ms));
  }

  /** What happened so far does not count. */
  reset(): void {
    this.meter.reset();
    this.table?.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trimming.abort();
    for (const { stop } of this.#brokers) await this.run(stop(AbortSignal.abort()));
  }
}

/** As Node's timers: whole milliseconds, and one at least. Fractions would add up to waits of next to nothing. */
function inWholeMs(clock: ManualClock): Clock {
  const whole = (ms: number): number => Math.max(1, Math.round(ms));
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => clock.sleep(whole(ms), signal),
    schedule: (ms, action) => clock.schedule(whole(ms), action),
    endOfTurn: () => clock.endOfTurn(),
  };
}
