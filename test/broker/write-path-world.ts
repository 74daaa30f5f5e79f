import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { ApiRouter } from "#lib/broker/api-router.ts";
import { assembleBroker, type Broker } from "#lib/broker/assemble-broker.ts";
import { BROKER_HANDLERS } from "#lib/broker/handlers.ts";
import { parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { type AppendSettings, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { LogFields, Logger } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { KIB } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { ClientConnection } from "./client-connection.ts";

export const NEVER = new AbortController().signal;
const ABORTED = AbortSignal.abort(new Error("killed"));
/** Few enough for a short course to take some and to start from them. */
const SNAPSHOT_RECORDS_MIN = 16;
const STORES: readonly StoreId[] = [0, 1, 2];

/** What all processes of a scenario share: journals, stores, time, and how likely a fault is. */
export class World {
  readonly clock = new ManualClock();
  readonly journals = new MemoryJournalService(this.clock);
  readonly stores = STORES.map(() => new MemoryObjectService(this.clock));
  readonly random: SeededRandom;
  readonly errors: string[] = [];
  isHealed = false;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }

  sleepUpTo(ms: number, random: SeededRandom): Promise<void> {
    return this.clock.sleep(random.below(ms));
  }

  /** Errors are faults of ours: what the world does to a broker is worth a warning at most. */
  logger(isDead: () => boolean): Logger {
    return {
      debug() {},
      info() {},
      warn() {},
      error: (message: string, fields: LogFields = {}) => {
        if (!isDead()) this.errors.push(`${message} ${JSON.stringify(fields)}`);
      },
    };
  }
}

function journalFault(random: SeededRandom, method: string): JournalFault | undefined {
  const draw = random.below(1_000);
  if (draw < 20) return { kind: "lost-answer" };
  if (draw < 35) return { kind: "failure" };
  if (draw < 45) return { kind: "throttle" };
  if (draw < 60) return { kind: "late-effect", afterMs: random.below(20_000) };
  if (draw < 75) return { kind: "late-effect-after-calls", calls: random.below(30) };
  if (draw < 100 && method === "read") return { kind: "stale", recordsHidden: 1 + random.below(5) };
  if (draw < 102) return { kind: "freeze", ms: random.below(15_000) };
  if (draw < 104) return { kind: "death", hasEffect: random.chance(0.5) };
  return draw < 700 ? { kind: "slow", ms: random.below(30) } : undefined;
}

function storeFault(random: SeededRandom): StoreFault | undefined {
  const draw = random.below(1_000);
  if (draw < 30) return { kind: "lost-answer" };
  if (draw < 50) return { kind: "late-effect", delayMs: random.below(5_000) };
  if (draw < 80) return { kind: "unavailable" };
  if (draw < 95) return { kind: "full" };
  if (draw < 100) return { kind: "root" };
  if (draw < 102) return { kind: "hang" };
  return draw < 800 ? { kind: "slow", delayMs: random.below(draw < 110 ? 4_000 : 60) } : undefined;
}

/** A broker id and the processes that bear it, one after another. */
export class BrokerSlot {
  readonly #world: World;
  readonly #id: number;
  readonly #settings: Partial<AppendSettings>;
  readonly #random: SeededRandom;
  readonly #faults: JournalFaultPlan;
  #current: LiveBroker | undefined;
  #starting: Promise<LiveBroker> | undefined;
  /** How many processes there have been. */
  starts = 0;

  constructor(world: World, id: number, settings: Partial<AppendSettings>) {
    this.#world = world;
    this.#id = id;
    this.#settings = settings;
    this.#random = world.random.fork();
    const random = world.random.fork();
    this.#faults = { next: ({ method }) => (world.isHealed ? undefined : journalFault(random, method)) };
  }

  /** The process that runs, or a new one. */
  async live(): Promise<LiveBroker> {
    if (this.#current?.isAlive === true) return this.#current;
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async kill(): Promise<void> {
    await this.#current?.kill();
  }

  /** As SIGTERM does. */
  async stop(): Promise<void> {
    await this.#current?.stop();
  }

  async #start(): Promise<LiveBroker> {
    await this.#current?.kill();
    for (;;) {
      this.starts++;
      const broker = await LiveBroker.start(this.#world, {
        id: this.#id,
        settings: this.#settings,
        faults: this.#faults,
        random: this.#random.fork(),
      });
      if (broker !== undefined) {
        this.#current = broker;
        return broker;
      }
      await this.#world.clock.sleep(200);
    }
  }
}

interface ProcessOptions {
  readonly id: number;
  readonly settings: Partial<AppendSettings>;
  readonly faults: JournalFaultPlan;
  readonly random: SeededRandom;
}

/** One process. */
export class LiveBroker {
  readonly broker: Broker;
  readonly #journal: MemoryJournal;
  readonly #life: { isDead: boolean };
  readonly #hungUp = new AbortController();
  #isStopping = false;

  /** Undefined if the faults did not let it start. */
  static async start(world: World, options: ProcessOptions): Promise<LiveBroker | undefined> {
    const life = { isDead: false };
    const journal = world.journals.connect(options.faults);
    const { clock } = world;
    const random = options.random.fork();
    const faults = (): StoreFault | undefined => {
      if (life.isDead || journal.isDead) return { kind: "hang" };
      return world.isHealed ? undefined : storeFault(random);
    };
    const handles = world.stores.map((service, id) => [id, new MemoryObjectStore(service, { clock, faults })] as const);
    const stores = new StoreSet(new Map(handles), options.id % handles.length);
    const logger = world.logger(() => life.isDead || journal.isDead);
    try {
      const broker = await assembleBroker(
        { journal, stores, clock, random: options.random, logger, snapshotRecordsMin: SNAPSHOT_RECORDS_MIN },
        {
          identity: { brokerId: options.id, rack: null },
          startConfigs: parseBrokerConfigs([]),
          append: { ...DEFAULT_APPEND_SETTINGS, ...options.settings },
          tailCacheBytesMax: 64 * KIB,
          blockCacheBytesMax: 256 * KIB,
          journalPollMs: 100,
        },
      );
      return new LiveBroker(broker, journal, life);
    } catch (error) {
      if (!(error instanceof Error && "kind" in error && error.kind === "unavailable")) throw error;
      life.isDead = true;
      journal.kill();
      return undefined;
    }
  }

  private constructor(broker: Broker, journal: MemoryJournal, life: { isDead: boolean }) {
    this.broker = broker;
    this.#journal = journal;
    this.#life = life;
  }

  /** Whether it takes new connections. */
  get isAlive(): boolean {
    return !this.#life.isDead && !this.#journal.isDead && !this.#isStopping;
  }

  connect(): ClientConnection {
    return new ClientConnection(new ApiRouter(BROKER_HANDLERS, this.broker.services), this.#hungUp.signal);
  }

  /** From one moment to the next, as kill -9 does. */
  async kill(): Promise<void> {
    if (this.#life.isDead) return;
    this.#life.isDead = true;
    this.#journal.kill();
    this.#hungUp.abort(new Error("the broker is gone"));
    // Only so that nothing is left behind in this process: all its calls fail by now.
    await this.broker.stop(ABORTED);
  }

  /** Answers what is under way. */
  async stop(): Promise<void> {
    if (!this.isAlive) return;
    this.#isStopping = true;
    await this.broker.stop(NEVER);
    await this.kill();
  }
}
