import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { COMMAND_KIND, decodeRecord } from "#lib/journal/command-record.ts";
import type { AppendResult, Journal, JournalRecord } from "#lib/journal/journal.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import type { LaneSlot } from "#lib/journal/replicated-state-api.ts";
import type { LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { type JournalId, type JournalSeq, journalId } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { JOURNAL_RECORD_BYTES_MAX } from "#lib/util/limits.ts";
import type { Decorations } from "./decorations.ts";

// Bugs that the product must not have, one at a time: each breaks one rule of docs/ARCHITECTURE.md, and the simulation
// has to find it. Made anew for every world, because some keep notes.

export const PLANTED_BUGS: ReadonlyMap<string, () => Decorations> = new Map<string, () => Decorations>([
  ["freeze-before-signing", freezeBeforeSigning],
  ["bare-trim", bareTrim],
  ["late-pointer", latePointer],
  ["trim-under-inlined-entry", () => ({ logMachine: (machine) => ({ ...machine, oldestNeededSeq: () => undefined }) })],
  ["one-copy", () => ({ writer: (ports) => new OneCopyWriter(ports) })],
  ["dropped-topic", droppedTopic],
  ["stale-no", () => ({ logJournal: (journal) => new DelegatingLogJournal(journal, { readsStrongly: false }) })],
  ["flush-retried-alone", flushRetriedAlone],
  ["fast-clock", fastClock],
  ["reordered-snapshot", reorderedSnapshot],
  ["old-process", () => ({ oldMachine: (machine) => ({ ...machine, featureLevel: 99 }) })],
  ["large-command", largeCommand],
  ["conflict-as-failure", conflictAsFailure],
  ["early-ack", () => ({ logJournal: (journal) => new DelegatingLogJournal(journal, { answersEarly: true }) })],
]);

/** J6: the time at which the process looked counts, not the time at which its request was signed. */
function freezeBeforeSigning(): Decorations {
  return {
    journal: (journal, host) =>
      withAppend(journal, async (append) => {
        const signedAtMs = host.scheduler.nowMs;
        return { ...(await append()), signedAtMs };
      }),
  };
}

/** J6: up to the newest snapshot everything goes, the newest record too. */
function bareTrim(): Decorations {
  class BareTrim extends MemoryJournalService {
    override trim(journal: JournalId, upTo: JournalSeq): void {
      super.trim(journal, upTo);
      const pointer = this.last(journalId(`${journal}/snapshots`));
      const superfluous = this.recordsOf(journal).filter(({ seq }) => seq <= (pointer?.seq ?? 0));
      // That inlined batches go is another bug.
      if (journal.startsWith("log-") && superfluous.some(inlinesBatches)) return;
      for (const { seq } of superfluous) this.tamper(journal, seq, undefined);
    }
  }
  return { journalService: (clock, options) => new BareTrim(clock, options) };
}

function inlinesBatches({ bytes }: JournalRecord): boolean {
  return decodeRecord(bytes).commands.some(({ kind, body }) => {
    if (kind !== COMMAND_KIND.machine) return false;
    const command = logStateMachine.decodeCommand(new ByteReader(body));
    return command.kind === "append" && command.source.kind === "inline";
  });
}

/** J5: the newest pointer is the one written last; those above it are forgotten, as if all were one item. */
function latePointer(): Decorations {
  class LastWriterWins extends MemoryJournalService {
    readonly #pointers = new Map<JournalId, readonly JournalRecord[]>();

    override append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array) {
      if (!journal.endsWith("/snapshots")) return super.append(journal, seq, bytes);
      const below = this.#of(journal).filter((record) => record.seq < seq);
      this.#pointers.set(journal, [...below, { seq, bytes }]);
      return { kind: "appended" } as const;
    }

    override last(journal: JournalId): JournalRecord | undefined {
      return journal.endsWith("/snapshots") ? this.#of(journal).at(-1) : super.last(journal);
    }

    override read(...[journal, options, hidden]: Parameters<MemoryJournalService["read"]>) {
      if (!journal.endsWith("/snapshots")) return super.read(journal, options, hidden);
      return { records: this.#of(journal).filter(({ seq }) => seq >= options.from), isTruncated: false };
    }

    override trim(journal: JournalId, upTo: JournalSeq): void {
      super.trim(journal, upTo);
      this.#pointers.set(
        journal,
        this.#of(journal).filter(({ seq }) => seq > upTo),
      );
    }

    #of(journal: JournalId): readonly JournalRecord[] {
      return this.#pointers.get(journal) ?? [];
    }
  }
  return { journalService: (clock, options) => new LastWriterWins(clock, options) };
}

/** The commit rule: the first copy is enough, and the record claims them all. */
class OneCopyWriter extends ReplicatedWriter {
  override async put(...[put, signal]: Parameters<ReplicatedWriter["put"]>) {
    await super.put({ ...put, needed: 1 }, signal);
    return put.placement;
  }
}

/** An `Open` whose view calls itself newer than any drop. */
function droppedTopic(): Decorations {
  return {
    directory: (directory) => ({
      find(topicId) {
        const placement = directory.find(topicId);
        return placement === undefined ? undefined : { ...placement, clusterSeq: placement.clusterSeq + 1_000_000 };
      },
      refresh: (signal) => directory.refresh(signal),
    }),
  };
}

/** J7: what could not be uploaded is tried again, behind what was sent after it. */
function flushRetriedAlone(): Decorations {
  return {
    appender: (appender) => ({
      get pendingBytes() {
        return appender.pendingBytes;
      },
      whenBelowLimit: () => appender.whenBelowLimit(),
      drain: () => appender.drain(),
      async append(appends, options) {
        for (let attempt = 0; ; attempt++) {
          const answers = await appender.append(appends, options);
          const isRefused = answers.some(
            (answer) => answer.kind === "refused" && answer.error === ErrorCode.KAFKA_STORAGE_ERROR,
          );
          if (!isRefused || appends.length > 1 || attempt === 100) return answers;
        }
      },
    }),
  };
}

/** J4: the host's clock instead of the journal service's. */
function fastClock(): Decorations {
  return {
    journal: (journal, host) => ({
      append: async (...call) => ({ ...(await journal.append(...call)), servedAtMs: host.wallMs }),
      read: async (...call) => ({ ...(await journal.read(...call)), servedAtMs: host.wallMs }),
      last: async (...call) => ({ ...(await journal.last(...call)), servedAtMs: host.wallMs }),
      trim: (...call) => journal.trim(...call),
    }),
  };
}

/** J4: the same content, another order. */
function reorderedSnapshot(): Decorations {
  return {
    logMachine: (machine) => ({
      ...machine,
      decodeState(reader) {
        const state = machine.decodeState(reader);
        const reversed = [...state.partitions].reverse();
        state.partitions.clear();
        for (const [key, partition] of reversed) state.partitions.set(key, partition);
        return state;
      },
    }),
  };
}

/** J2: a command that is too large for a record is cut to its size. */
function largeCommand(): Decorations {
  return {
    objects: (objects) => ({
      put(name, chunks, signal) {
        const bytes = Buffer.concat(chunks);
        return objects.put(
          name,
          [name.includes("/commands") ? bytes.subarray(0, JOURNAL_RECORD_BYTES_MAX) : bytes],
          signal,
        );
      },
      get: (ref, signal) => objects.get(ref, signal),
    }),
  };
}

/** J3: after a failure the call is sent again, and the conflict with its own record is taken for a lost race. */
function conflictAsFailure(): Decorations {
  return {
    journal: (journal) =>
      withAppend(journal, async (append, bytes) => {
        try {
          return await append();
        } catch (error) {
          if (!(error instanceof JournalUnavailableError) || error.throttled) throw error;
          const again = await append();
          const isOurs = again.kind === "conflict" && Buffer.compare(again.existing, bytes) === 0;
          const { servedAtMs, signedAtMs } = again;
          return isOurs ? { kind: "trimmed", servedAtMs, signedAtMs } : again;
        }
      }),
  };
}

function withAppend(
  journal: Journal,
  around: (append: () => Promise<AppendResult>, bytes: Uint8Array) => Promise<AppendResult>,
): Journal {
  return {
    append: (id, seq, bytes, signal) => {
      const append = () => journal.append(id, seq, bytes, signal);
      return id.endsWith("/snapshots") ? append() : around(append, bytes);
    },
    read: (...call) => journal.read(...call),
    last: (...call) => journal.last(...call),
    trim: (...call) => journal.trim(...call),
  };
}

interface JournalBugs {
  /** J8: a "no" stands behind whatever was folded by chance. */
  readonly readsStrongly?: boolean;
  /** The outcome is computed before the record stands. */
  readonly answersEarly?: boolean;
  /** What is proposed in place of a command. */
  readonly around?: (command: LogCommand) => LogCommand;
}

export class DelegatingLogJournal implements LogJournal {
  readonly #journal: LogJournal;
  readonly #bugs: JournalBugs;

  constructor(journal: LogJournal, bugs: JournalBugs = {}) {
    this.#journal = journal;
    this.#bugs = bugs;
  }

  /** As it is without the bug. */
  protected get honest(): LogJournal {
    return this.#journal;
  }

  get id() {
    return this.#journal.id;
  }

  get state(): LogState {
    return this.#journal.state;
  }

  get seq() {
    return this.#journal.seq;
  }

  get asOfMs() {
    return this.#journal.asOfMs;
  }

  open(signal: AbortSignal) {
    return this.#journal.open(signal);
  }

  reserve(lane: string): LaneSlot<LogCommand, LogOutcome> {
    const slot = this.#journal.reserve(lane);
    return {
      release: () => slot.release(),
      propose: (command, signal) => this.#propose(command, () => slot.propose(this.#instead(command), signal)),
    };
  }

  propose(...[command, options]: Parameters<LogJournal["propose"]>) {
    return this.#propose(command, () => this.#journal.propose(this.#instead(command), options));
  }

  #instead(command: LogCommand): LogCommand {
    return this.#bugs.around?.(command) ?? command;
  }

  catchUp(signal: AbortSignal): Promise<void> {
    return this.#journal.catchUp(signal);
  }

  readBarrier(signal: AbortSignal): Promise<void> {
    return this.#bugs.readsStrongly === false ? Promise.resolve() : this.#journal.readBarrier(signal);
  }

  onFold(listener: Parameters<LogJournal["onFold"]>[0]) {
    return this.#journal.onFold(listener);
  }

  onReload(listener: () => void) {
    return this.#journal.onReload(listener);
  }

  raiseFeatureLevel(level: number, signal: AbortSignal) {
    return this.#journal.raiseFeatureLevel(level, signal);
  }

  nowMs() {
    return this.#journal.nowMs();
  }

  #propose(command: LogCommand, propose: () => ReturnType<LogJournal["propose"]>): ReturnType<LogJournal["propose"]> {
    if (this.#bugs.answersEarly !== true || command.kind !== "append") return propose();
    const committed = propose();
    committed.catch(() => undefined);
    const writer = new ByteWriter(1_024);
    logStateMachine.encodeState(this.state, writer);
    const copy = logStateMachine.decodeState(new ByteReader(writer.toBytes()));
    const context = { seq: this.seq + 1, indexInRecord: 0, proposedAtMs: this.nowMs() };
    const outcome = logStateMachine.fold(copy, command, context);
    return Promise.resolve({ outcome, seq: context.seq, indexInRecord: 0 });
  }
}
