import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService } from "#lib/adapters/memory/memory-object-store.ts";
import { type LogStateMachine, logStateMachine } from "#lib/log/log-state-machine.ts";
import { describeError, type LogFields } from "#lib/runtime/logger.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { journalId } from "#lib/util/branded.ts";
import { MIB } from "#lib/util/limits.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { Connection } from "./connection.ts";
import type { Decorations } from "./decorations.ts";
import { History } from "./history.ts";
import { Host } from "./host.ts";
import { checkFixpoint } from "./invariants.ts";
import { levelTwo } from "./level-two.ts";
import { type FaultRates, type Faults, NO_FAULTS, newTroubles, type Trouble } from "./network.ts";
import type { Profile } from "./profile.ts";
import { Calm } from "./replicas/calm.ts";
import { Losses, repairMsMax } from "./replicas/losses.ts";
import { markStore, provenStore } from "./replicas/marked-stores.ts";
import type { ReplicaProfile } from "./replicas/replica-profile.ts";
import { Scheduler, trueClock } from "./scheduler.ts";
import { SimBroker } from "./sim-broker.ts";
import { type JournalWorld, SimJournal } from "./sim-journal.ts";
import { SimObjectStore, type StoreWorld } from "./sim-object-store.ts";
import { Truth } from "./truth.ts";

export interface StartOptions {
  /** A version from before the newest feature level. */
  readonly isOld?: boolean;
  readonly skewMs?: number;
  /** The next one, if left out. */
  readonly brokerId?: number;
}

const STORE_ANSWER_MS_MAX = 20_000;

/** What processes say of records that stores have lost, or say that they have. */
const MISSING: ReadonlySet<string> = new Set([
  "committed records are missing or damaged",
  "no store has an object that records lie in",
]);

/** The services, the processes on their hosts, and what is known to be true. */
export class World {
  readonly scheduler = new Scheduler();
  readonly history = new History();
  readonly profile: Profile;
  readonly truth: Truth;
  readonly stores: readonly StoreWorld[];
  readonly journals: JournalWorld;
  readonly brokers: SimBroker[] = [];
  readonly calm: Calm;
  readonly losses: Losses;
  readonly #random: SeededRandom;
  readonly #decorations: Decorations;
  readonly #logMachine: LogStateMachine;
  readonly #faults: Faults[] = [];
  readonly #hosts: Host[] = [];
  /** What processes are doing that has to come to an end, whatever goes wrong. */
  readonly #underWay = new Map<Promise<unknown>, { readonly host: Host; readonly name: string }>();
  #hostCount = 0;
  #freezesLeft: number;
  #deathsLeft: number;
  #connectionCount = 0;
  #nextBrokerId = 0;
  isHealed = false;

  constructor(profile: Profile, random: SeededRandom, decorations: Decorations) {
    this.profile = profile;
    this.#random = random;
    this.#decorations = decorations;
    this.#freezesLeft = profile.freezesMax;
    this.#deathsLeft = profile.deathsMax;
    const clock = trueClock(this.scheduler);
    const archive: StoreWorld["archive"] = new Map();
    this.stores = Array.from(
      { length: profile.storeCount },
      (_, id): StoreWorld => ({
        id,
        service: new MemoryObjectService(clock),
        isFull: false,
        lossRate: 0,
        composes: id < (profile.workers?.composerCount ?? 0),
        misreadRate: profile.workers?.misreadRate ?? 0,
        troubles: newTroubles(),
        archive,
        lost: new Map(),
        ...(profile.workers === undefined ? {} : { onDelete: (keys) => this.#noteDeleted(id, keys) }),
      }),
    );
    if (profile.replicas !== undefined) for (const store of this.stores) markStore(store);
    this.calm = new Calm(this.scheduler);
    this.losses = new Losses(this.scheduler, this.calm, {
      stores: this.stores,
      storesMax: Math.floor((profile.replicationFactor - 1) / 2),
      repairMs: profile.replicas === undefined ? 0 : repairMsMax(profile.replicas),
      exceeds: profile.replicas?.exceeds === true,
    });
    const [badStore] = this.stores.slice(-1);
    if (badStore !== undefined) badStore.lossRate = profile.storeLossRate;
    this.#logMachine = decorations.logMachine?.(logStateMachine) ?? logStateMachine;
    this.truth = new Truth(this.scheduler, {
      stores: this.stores,
      machine: profile.hasOldProcess ? levelTwo(this.#logMachine) : this.#logMachine,
      times: profile.replicas ?? { sessionMs: 0, heartbeatMs: 0 },
      hasWorkers: profile.workers !== undefined,
    });
    const options = { checksTrimMark: profile.checksTrimMark };
    this.journals = {
      troubles: newTroubles(),
      service: decorations.journalService?.(clock, options) ?? new MemoryJournalService(clock, options),
      onAppended: (journal, seq, bytes) => this.truth.note(journal, seq, bytes),
    };
  }

  get decorations(): Decorations {
    return this.#decorations;
  }

  fork(): SeededRandom {
    return this.#random.fork();
  }

  /** Starts a process; it opens its journals on its own. */
  startBroker(options: StartOptions = {}): SimBroker {
    const { profile } = this;
    const { replicas } = profile;
    const brokerId = options.brokerId ?? this.#nextBrokerId++;
    const random = this.fork();
    const isOld = options.isOld === true;
    const host = new Host(this.scheduler, {
      name: `${isOld ? "old" : "p"}${this.#hostCount++}`,
      random,
      skewMs: options.skewMs ?? 0,
      stopsMonotonic: random.chance(0.5),
    });
    this.#hosts.push(host);
    const recordFaults = this.#newFaults(profile.journalRates);
    const pointerFaults = this.#newFaults(profile.pointerRates ?? profile.journalRates);
    const faultsOf = (id: string) => (id.endsWith("/snapshots") ? pointerFaults : recordFaults);
    const journal = new SimJournal(this.journals, host, faultsOf);
    const storeFaults = this.#newFaults(profile.storeRates);
    const logMachine = profile.hasOldProcess && !isOld ? levelTwo(this.#logMachine) : this.#logMachine;
    const storeOf = (store: StoreWorld) => {
      if (replicas === undefined) {
        const own = new SimObjectStore(store, host, storeFaults);
        return this.#decorations.store?.(own, host) ?? own;
      }
      return provenStore(new SimObjectStore(store, host, storeFaults, STORE_ANSWER_MS_MAX), store.id);
    };
    const broker = new SimBroker({
      host,
      brokerId,
      homeId: profile.replicas === undefined ? 0 : brokerId % profile.storeCount,
      journal,
      stores: new Map(this.stores.map((store) => [store.id, storeOf(store)])),
      logMachine: isOld ? (this.#decorations.oldMachine?.(logMachine) ?? logMachine) : logMachine,
      logJournalCount: profile.logJournalCount,
      inlineBytesMax: profile.inlineBytesMax,
      lingerMs: profile.lingerMs,
      snapshotRecordsMin: profile.snapshotRecordsMin,
      tailCacheBytesMax: profile.tailCacheBytesMax,
      blockCacheBytesMax: profile.workers?.blockCacheBytesMax ?? MIB,
      startConfigs: replicas === undefined ? new Map() : startConfigsOf(replicas),
      ...(replicas === undefined ? {} : { membership: { replacesDead: replicas.hasLocks } }),
      decorations: this.#decorations,
      onError: (message, fields) => this.#noteError(broker, message, fields),
    });
    host.onDeath(() => this.#replace(broker));
    host.onThaw(() => {
      this.calm.end(host);
      this.truth.replicas.lastThawMs = this.scheduler.elapsedMs;
      this.#inspectSoon(broker);
    });
    this.mustEnd(broker, "opening", this.#open(broker));
    return broker;
  }

  connect(broker: SimBroker, random: SeededRandom): Connection {
    return new Connection(`connection ${this.#connectionCount++}`, broker, this.scheduler, random);
  }

  /** A process that answers, or did a moment ago; undefined if there is none. */
  anyBroker(random: SeededRandom): SimBroker | undefined {
    return this.brokers[random.below(Math.max(1, this.brokers.length))];
  }

  /** Who leads a partition, as a client with fresh metadata knows it; undefined if it knows nothing, or nobody leads. */
  leaderOf(random: SeededRandom, topicName: string, partitionIndex: number): SimBroker | undefined {
    const { replicas } = this.profile;
    if (replicas === undefined || !random.chance(replicas.leaderRate)) return undefined;
    const brokerId = this.truth.leaderOf(topicName, partitionIndex);
    return this.brokers.find((broker) => broker.options.brokerId === brokerId);
  }

  setJournalTrouble(trouble: Trouble | undefined): void {
    this.journals.troubles.ofAll = trouble;
    this.truth.replicas.noteJournal(trouble !== undefined);
    this.scheduler.trace(`the journal is ${trouble === undefined ? "back" : `in trouble: ${JSON.stringify(trouble)}`}`);
  }

  mustEnd({ host }: SimBroker, name: string, work: Promise<unknown>): void {
    this.#underWay.set(work, { host, name });
    const end = () => this.#underWay.delete(work);
    work.then(end, end);
  }

  /** What living processes have begun and not ended. */
  unended(): readonly string[] {
    const living = [...this.#underWay.values()].filter(({ host }) => !host.isDead);
    return living.map(({ host, name }) => `${host.name} does not come to the end of ${name}`);
  }

  /** Lets a process stand still for a while. A world in which they all do so for ever would never end. */
  freeze(host: Host): void {
    if (this.isHealed || this.#freezesLeft-- <= 0) return;
    if (!host.isDead) this.calm.begin(host);
    host.freeze(this.profile.freezeMs(host.random));
  }

  kill(host: Host): void {
    if (!this.isHealed && this.#deathsLeft-- > 0) host.kill();
  }

  /** From now on nothing goes wrong any more, and who slept is awake. */
  heal(): void {
    this.isHealed = true;
    for (const faults of this.#faults) faults.rates = NO_FAULTS;
    for (const store of this.stores) {
      store.isFull = false;
      store.service.isDown = false;
      store.lossRate = 0;
      store.misreadRate = 0;
      store.troubles.ofAll = undefined;
      store.troubles.ofHosts.clear();
    }
    if (this.journals.troubles.ofAll !== undefined) this.setJournalTrouble(undefined);
    this.journals.troubles.ofHosts.clear();
    for (const host of this.#hosts) host.thaw();
    if (this.profile.replicas !== undefined) for (const store of this.stores) markStore(store);
    this.calm.endAll();
  }

  #noteDeleted(store: StoreId, keys: readonly ObjectKey[]): void {
    this.truth.workers?.noteDeleted(store, keys, (id) => this.journals.service.last(journalId(`${id}/snapshots`)));
  }

  /** What a process believes when it has just woken up is what it is most likely to be wrong about. */
  #inspectSoon(broker: SimBroker): void {
    for (const afterMs of [5, 20, 60, 200]) {
      this.scheduler.schedule(afterMs, () => {
        if (broker.host.isDead || broker.isStopped || !this.brokers.includes(broker)) return;
        this.history.problems.push(...checkFixpoint(broker, this.truth));
      });
    }
  }

  /** Whoever dies has a successor soon, of the newest version. */
  #replace(broker: SimBroker): void {
    const at = this.brokers.indexOf(broker);
    if (at >= 0) this.brokers.splice(at, 1);
    // Whoever dies frozen never thaws.
    this.calm.end(broker.host);
    this.calm.begin(`broker ${broker.options.brokerId} is away`);
    this.scheduler.schedule(200 + this.#random.below(3_000), () => {
      const skewMs = this.#random.chance(0.5) ? this.profile.skewMs : 0;
      const { brokerId } = broker.options;
      this.startBroker({ skewMs, brokerId });
    });
  }

  #newFaults(rates: FaultRates): Faults {
    const faults: Faults = {
      rates: this.isHealed ? NO_FAULTS : rates,
      freeze: (host) => this.freeze(host),
      kill: (host) => this.kill(host),
    };
    this.#faults.push(faults);
    return faults;
  }

  async #open(broker: SimBroker): Promise<void> {
    for (;;) {
      try {
        await broker.open();
        this.brokers.push(broker);
        this.calm.end(`broker ${broker.options.brokerId} is away`);
        this.mustEnd(broker, "its registration", broker.takePart());
        return;
      } catch (error) {
        this.scheduler.trace(`${broker.host.name} cannot open: ${describeError(error)}`);
        await broker.host.clock.sleep(500);
      }
    }
  }

  #noteError(broker: SimBroker, message: string, fields: LogFields): void {
    // It answers nothing any more: whoever looks after it starts another.
    if (broker.isStopped) this.scheduler.schedule(1_000, () => broker.host.kill());
    this.scheduler.trace(`${broker.host.name} error: ${message} ${JSON.stringify(fields)}`);
    const text = String(fields["error"] ?? "");
    // An old process must stop at a level that it does not understand, and everything in it fails then.
    if (text.includes("FeatureLevelError") && broker.host.name.startsWith("old")) return;
    const mayMiss = this.profile.storeLossRate > 0 || this.profile.replicas !== undefined;
    if (MISSING.has(message) && mayMiss) return;
    this.history.problems.push(`checkNoErrors: ${broker.host.name} ${message}: ${text}`);
  }
}

function startConfigsOf({ sessionMs, heartbeatMs }: ReplicaProfile): ReadonlyMap<string, string> {
  return new Map([
    ["broker.session.timeout.ms", String(sessionMs)],
    ["broker.heartbeat.interval.ms", String(heartbeatMs)],
  ]);
}
