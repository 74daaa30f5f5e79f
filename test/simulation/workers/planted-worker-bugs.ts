import type { LogCommand } from "#lib/log/log-command.ts";
import { type LogJournal, type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import { type LogState, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import { entryInput } from "#lib/log/segments.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { ObjectNotFoundError, type ObjectStore, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { composeLog, type StoredRun, storedRuns } from "#lib/storage/segments/compose-log.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, Offset } from "#lib/util/branded.ts";
import type { Decorations } from "../decorations.ts";
import type { Host } from "../host.ts";
import { DelegatingLogJournal } from "../planted-bugs.ts";
import type { SimWorkerName } from "./sim-workers.ts";

// As in ../planted-bugs.ts: what workers must not do, and what nobody may believe of them.

export const PLANTED_WORKER_BUGS: ReadonlyMap<string, () => Decorations> = new Map<string, () => Decorations>([
  ["replace-by-range", () => ({ logMachine: replacesByRange })],
  ["delete-before-retire", () => garbageBug((journal, _, host) => new LateRetiring(journal, host))],
  [
    "some-journals-retired",
    () => garbageBug((journal, number) => (number === 0 ? journal : new NeverRetiring(journal))),
  ],
  ["references-before-retire", () => garbageBug((journal) => new LookingFirst(journal))],
  ["entry-dropped-on-rerun", entryDroppedOnRerun],
  ["index-off-by-one", indexOffByOne],
  ["trim-under-inlined-entries", () => ({ logMachine: needsNoRecords })],
  ["missing-is-the-end", missingIsTheEnd],
  ["log-answered-before-it-is-there", logAnsweredBefore],
]);

/** Inputs are known by their offsets alone: what others have put in their place goes with them. */
function replacesByRange(machine: LogStateMachine): LogStateMachine {
  return {
    ...machine,
    fold(state, command, context) {
      const outcome = machine.fold(state, command, context);
      if (command.kind !== "replace" || outcome.kind !== "refused") return outcome;
      const partition = state.partitions.get(partitionKey(command.topicId, command.partitionIndex));
      if (outcome.error !== ErrorCode.INVALID_UPDATE_VERSION || partition === undefined) return outcome;
      const from = defined(command.inputs[0]).baseOffset;
      const to = defined(command.inputs.at(-1)).nextOffset;
      const stays = (each: { readonly baseOffset: Offset; readonly nextOffset: Offset }) =>
        each.baseOffset < from || each.nextOffset > to;
      const news = command.segments.filter(({ nextOffset }) => nextOffset > partition.logStartOffset);
      const segments = [...partition.segments.filter(stays), ...news];
      const entries = partition.entries.filter(stays);
      segments.sort((a, b) => a.baseOffset - b.baseOffset);
      partition.segments.splice(0, partition.segments.length, ...segments);
      partition.entries.splice(0, partition.entries.length, ...entries);
      return { kind: "done" };
    },
  };
}

/** What is inlined is taken for gathered long before its records can go. */
function needsNoRecords(machine: LogStateMachine): LogStateMachine {
  return { ...machine, oldestNeededSeq: () => undefined };
}

type Around = (journal: LogJournal, number: number, host: Host) => LogJournal;

function garbageBug(around: Around): Decorations {
  return workerBug("garbage", around);
}

/** One worker sees the journals through something that lies. */
function workerBug(name: SimWorkerName, around: Around): Decorations {
  return {
    workerJournals: (worker, journals, host) => (worker === name ? throughLies(journals, around, host) : journals),
  };
}

function throughLies(journals: LogJournals, around: Around, host: Host): LogJournals {
  return newLogJournals({
    count: journals.count,
    // They are opened when workers begin.
    create: (id) => {
      const number = Number(id.slice(id.indexOf("-") + 1));
      return around(defined(journals.opened(number)), number, host);
    },
    signal: new AbortController().signal,
  });
}

/** Says that the floor is where it should be. */
class LyingJournal extends DelegatingLogJournal {
  #floor = -1;

  override get state(): LogState {
    const { state } = this.honest;
    return { ...state, retireFloor: Math.max(state.retireFloor, this.#floor) };
  }

  override async propose(...[command, options]: Parameters<LogJournal["propose"]>): ReturnType<LogJournal["propose"]> {
    if (command.kind !== "retire") return super.propose(command, options);
    this.#floor = command.floor;
    this.onRetire(command);
    return { outcome: { kind: "done" }, seq: this.seq, indexInRecord: 0 };
  }

  protected onRetire(_command: LogCommand): void {}
}

class NeverRetiring extends LyingJournal {}

/** Objects go first, and some time later they may not be referred to any more. */
class LateRetiring extends LyingJournal {
  readonly #host: Host;

  constructor(journal: LogJournal, host: Host) {
    super(journal);
    this.#host = host;
  }

  protected override onRetire(command: LogCommand): void {
    const signal = new AbortController().signal;
    this.#host.clock.schedule(60_000, () => {
      this.honest.propose(command, { lane: "retire", signal }).catch(() => undefined);
    });
  }
}

/** What is referred to is what was when the run began. */
class LookingFirst extends DelegatingLogJournal {
  #first: ReadonlyMap<string, PartitionState> | undefined;

  override get state(): LogState {
    const { state } = this.honest;
    return this.#first === undefined ? state : { ...state, partitions: new Map(this.#first) };
  }

  override async catchUp(signal: AbortSignal): Promise<void> {
    await super.catchUp(signal);
    this.#first = new Map(
      [...this.honest.state.partitions].map(([key, partition]) => [
        key,
        { ...partition, entries: [...partition.entries], segments: [...partition.segments] },
      ]),
    );
  }
}

/** Whoever follows one that was killed takes a part of its work for done: an entry is named, and not in the segment. */
function entryDroppedOnRerun(): Decorations {
  return workerBug("compactor", (journal, _, host) => (isSuccessor(host) ? new ForgetfulJournal(journal) : journal));
}

/** Worlds begin with three processes at most. */
function isSuccessor(host: Host): boolean {
  return Number(host.name.replace(/\D/g, "")) >= 3;
}

class ForgetfulJournal extends DelegatingLogJournal {
  constructor(journal: LogJournal) {
    super(journal, { around: (command) => withAllEntries(command, journal.state) });
  }

  override get state(): LogState {
    const { state } = this.honest;
    const partitions = [...state.partitions].map(([key, partition]): [string, PartitionState] => {
      const { entries } = partition;
      return [key, entries.length < 3 ? partition : { ...partition, entries: entries.toSpliced(1, 1) }];
    });
    return { ...state, partitions: new Map(partitions) };
  }
}

function withAllEntries(command: LogCommand, { partitions }: LogState): LogCommand {
  if (command.kind !== "replace") return command;
  const entries = partitions.get(partitionKey(command.topicId, command.partitionIndex))?.entries ?? [];
  const inputs = command.inputs.flatMap((input, at) => {
    const next = command.inputs[at + 1];
    const forgotten = entries.find(
      ({ baseOffset, nextOffset }) => baseOffset === input.nextOffset && nextOffset === next?.baseOffset,
    );
    return forgotten === undefined ? [input] : [input, entryInput(forgotten)];
  });
  return { ...command, inputs };
}

/** Each entry of an index names the batch behind the one that it should. */
function indexOffByOne(): Decorations {
  const logs = new Map<string, Uint8Array>();
  return {
    store: (store) => ({
      ...delegated(store),
      putIfAbsent(key, chunks, signal) {
        const bytes = Buffer.concat(chunks);
        const name = key.slice(0, key.lastIndexOf("."));
        if (key.endsWith(".log")) logs.set(name, bytes);
        const log = logs.get(name);
        const isIndex = key.endsWith(".index") && log !== undefined;
        return store.putIfAbsent(key, isIndex ? [shifted(bytes, log)] : chunks, signal);
      },
    }),
  };
}

function shifted(index: Buffer, log: Uint8Array): Uint8Array {
  const shiftedIndex = Buffer.from(index);
  for (let at = 4; at < index.byteLength; at += 8) {
    const position = index.readInt32BE(at);
    const [batch] = splitBatches(log.subarray(position)).batches;
    const next = position + (batch?.byteLength ?? 0);
    if (next < log.byteLength && readBatchHeader(log.subarray(next)).recordCount >= 0)
      shiftedIndex.writeInt32BE(next, at);
  }
  return shiftedIndex;
}

/** A reader whose plan is old finds an object missing, and says that the log ends there. */
function missingIsTheEnd(): Decorations {
  const missing = new Map<Host, number>();
  const count = (host: Host): number => missing.get(host) ?? 0;
  return {
    store: (store, host) => ({
      ...delegated(store),
      async getRange(...call) {
        try {
          return await store.getRange(...call);
        } catch (error) {
          if (error instanceof ObjectNotFoundError) missing.set(host, count(host) + 1);
          throw error;
        }
      },
    }),
    fetcher: (fetcher, host) => ({
      async fetch(...call) {
        const before = count(host);
        const answers = await fetcher.fetch(...call);
        if (count(host) === before) return answers;
        return answers.map((answer) => ({ ...answer, error: ErrorCode.NONE, records: [], recordsByteLength: 0 }));
      },
    }),
  };
}

/** A store that makes logs answers as soon as it has read everything, whatever becomes of the log. */
function logAnsweredBefore(): Decorations {
  return {
    store(store) {
      const compose = store.composeLog?.bind(store);
      if (compose === undefined) return store;
      return {
        ...delegated(store),
        composeLog(...[key, recipe, signal]) {
          return compose(key, recipe, signal).catch(async (error: unknown) => {
            if (!(error instanceof StoreUnavailableError)) throw error;
            const runs = new Map<StoredRun, Uint8Array>();
            for (const run of storedRuns(recipe)) runs.set(run, await store.getRange(run.key, run, signal));
            const read = (run: StoredRun) => Buffer.from(defined(runs.get(run)));
            return composeLog(recipe, { read, append: () => undefined });
          });
        },
      };
    },
  };
}

function delegated(store: ObjectStore): ObjectStore {
  return {
    putIfAbsent: (...call) => store.putIfAbsent(...call),
    get: (...call) => store.get(...call),
    getRange: (...call) => store.getRange(...call),
    list: (...call) => store.list(...call),
    deleteAll: (keys: readonly ObjectKey[], signal) => store.deleteAll(keys, signal),
  };
}
