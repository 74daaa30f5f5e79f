import type { FoldContext, StateMachine } from "#lib/journal/state-machine.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";

/** Adds to a named counter, unless the counter would pass its limit of a million. */
export interface CounterCommand {
  readonly name: string;
  readonly amount: number;
  /** Bytes that make the command as large as a test wants. */
  readonly padding: Uint8Array;
}

export type CounterOutcome =
  | { readonly kind: "counted"; readonly value: number }
  | { readonly kind: "refused"; readonly value: number };

export interface CounterState {
  readonly counters: Map<string, number>;
  /** Every command's name and number in the order of the fold. */
  readonly history: string[];
  lastProposedAtMs: number;
  /** What `oldestNeededSeq` answers. */
  neededSeq: JournalSeq;
}

const VALUE_MAX = 1_000_000;

export function add(name: string, amount = 1, padding = new Uint8Array(0)): CounterCommand {
  return { name, amount, padding };
}

/** The smallest machine whose outcomes depend on order. Name `need`: the record `amount` counts as needed. */
export function counterMachine(featureLevel = 1): StateMachine<CounterState, CounterCommand, CounterOutcome> {
  return {
    featureLevel,
    initial: () => ({ counters: new Map(), history: [], lastProposedAtMs: 0, neededSeq: 0 }),
    fold: foldCounter,
    encodeCommand: (command, writer) => {
      writer.text(command.name).varint(command.amount).lengthPrefixed(command.padding);
    },
    decodeCommand: (reader) => ({ name: reader.text(), amount: reader.varint(), padding: reader.lengthPrefixed() }),
    encodeOutcome: (outcome, writer) => {
      writer.uint8(outcome.kind === "counted" ? 1 : 0).varint(outcome.value);
    },
    encodeState: encodeCounters,
    decodeState: decodeCounters,
    oldestNeededSeq: (state) => (state.neededSeq === 0 ? undefined : state.neededSeq),
  };
}

function foldCounter(state: CounterState, command: CounterCommand, context: FoldContext): CounterOutcome {
  state.lastProposedAtMs = context.proposedAtMs;
  if (command.name === "need") state.neededSeq = command.amount;
  const before = state.counters.get(command.name) ?? 0;
  if (before + command.amount > VALUE_MAX) return { kind: "refused", value: before };
  state.counters.set(command.name, before + command.amount);
  state.history.push(`${command.name}@${context.seq}.${context.indexInRecord}`);
  return { kind: "counted", value: before + command.amount };
}

function encodeCounters(state: CounterState, writer: ByteWriter): void {
  writer.uvarint(state.counters.size);
  for (const [name, value] of state.counters) writer.text(name).varint(value);
  writer.uvarint(state.history.length);
  for (const line of state.history) writer.text(line);
  writer.varint(state.lastProposedAtMs).uvarint(state.neededSeq);
}

function decodeCounters(reader: ByteReader): CounterState {
  const counters = new Map<string, number>();
  for (let left = reader.uvarint(); left > 0; left--) counters.set(reader.text(), reader.varint());
  const history: string[] = [];
  for (let left = reader.uvarint(); left > 0; left--) history.push(reader.text());
  return { counters, history, lastProposedAtMs: reader.varint(), neededSeq: reader.uvarint() };
}
