import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import type { Journal } from "#lib/journal/journal.ts";
import type { JournalObjectRef, JournalObjects } from "#lib/journal/journal-objects.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { journalId } from "#lib/util/branded.ts";
import type { CounterCommand, CounterOutcome, CounterState } from "../support/counter-machine.ts";
import { add, counterMachine } from "../support/counter-machine.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

export const JOURNAL = journalId("counters");
export const SNAPSHOTS = journalId("counters/snapshots");
export const NEVER = new AbortController().signal;

export type CounterJournal = ReplicatedState<CounterState, CounterCommand, CounterOutcome>;

/** Faults for the calls to one journal, in order; `undefined` lets a call pass. */
export class FaultList implements JournalFaultPlan {
  readonly #faults: (JournalFault | undefined)[] = [];
  readonly #method: string;
  readonly calls: string[] = [];

  constructor(method = "append") {
    this.#method = method;
  }

  push(...faults: (JournalFault | undefined)[]): void {
    this.#faults.push(...faults);
  }

  clear(): void {
    this.#faults.length = 0;
  }

  next(call: { readonly method: string; readonly journal: string; readonly seq: number }): JournalFault | undefined {
    this.calls.push(`${call.method} ${call.journal} ${call.seq}`);
    return call.method === this.#method && call.journal === JOURNAL ? this.#faults.shift() : undefined;
  }
}

/** A world of one journal service with as many processes as a test opens. */
export class World {
  readonly clock = new ManualClock();
  readonly service: MemoryJournalService;
  readonly objects = new MemoryJournalObjects();
  #seed = 1;

  constructor(options = { checksTrimMark: true }) {
    this.service = new MemoryJournalService(this.clock, options);
  }

  /** A process that has not opened its state yet. */
  process(options: {
    readonly journal: Journal;
    readonly featureLevel?: number;
    readonly clock?: Clock;
    readonly objects?: JournalObjects;
    readonly queuedCommandsMax?: number;
  }): CounterJournal {
    const { queuedCommandsMax } = options;
    return new ReplicatedState({
      ...(queuedCommandsMax === undefined ? {} : { queuedCommandsMax }),
      id: JOURNAL,
      machine: counterMachine(options.featureLevel ?? 1),
      journal: options.journal,
      objects: options.objects ?? this.objects,
      clock: options.clock ?? this.clock,
      random: new SeededRandom(this.#seed++),
      logger: SILENT_LOGGER,
    });
  }

  async open(faults?: JournalFaultPlan): Promise<{ state: CounterJournal; journal: MemoryJournal }> {
    const journal = this.service.connect(faults);
    const state = this.process({ journal });
    await this.clock.run(state.open(NEVER));
    return { state, journal };
  }

  /** Proposes `count` commands, one record each. */
  async fill(state: CounterJournal, count: number, padding = new Uint8Array(0)): Promise<void> {
    for (let left = count; left > 0; left--) await this.run(state.propose(add("fill", 1, padding), inLane("fill")));
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
}

/** Counts and names what is read. */
export class CountedObjects implements JournalObjects {
  readonly #objects: JournalObjects;
  readonly keysRead: string[] = [];

  constructor(objects: JournalObjects) {
    this.#objects = objects;
  }

  put(...call: Parameters<JournalObjects["put"]>): Promise<JournalObjectRef> {
    return this.#objects.put(...call);
  }

  get(ref: JournalObjectRef, signal: AbortSignal): Promise<Uint8Array> {
    this.keysRead.push(ref.key);
    return this.#objects.get(ref, signal);
  }
}

export const inLane = (lane: string, signal: AbortSignal = NEVER) => ({ lane, signal });
