import type { FoldContext, StateMachine } from "#lib/journal/state-machine.ts";
import { unreachable } from "#lib/util/assert.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import { foldAppend } from "./fold-append.ts";
import { foldNoteCleaning } from "./fold-cleaning.ts";
import { foldAlterIsr, foldElect, NO_LEADER } from "./fold-leader.ts";
import {
  foldAddReplicas,
  foldAdvanceLogStart,
  foldDeclareLost,
  foldDrop,
  foldOpen,
  foldPlaceReplicas,
} from "./fold-partition.ts";
import { foldExpireProducers, foldGather, foldReplace, foldRetire } from "./fold-segments.ts";
import type { LogCommand, LogOutcome } from "./log-command.ts";
import { decodeLogCommand, encodeLogCommand } from "./log-command-codec.ts";
import { encodeLogOutcome } from "./log-outcome-codec.ts";
import type { LogState } from "./log-state.ts";
import { decodeLogState, encodeLogState } from "./log-state-codec.ts";

export type LogStateMachine = StateMachine<LogState, LogCommand, LogOutcome>;

/** The level of elections, of changes of ISR and replicas, and of lost entries. */
export const LEADERS_FEATURE_LEVEL = 2;
/** The level of log segments, of the retire floor and of producers that expire. */
export const SEGMENTS_FEATURE_LEVEL = 3;
/** The level of passes of the cleaner that go on where another one stopped. */
export const CLEANING_FEATURE_LEVEL = 4;

export const logStateMachine: LogStateMachine = {
  featureLevel: CLEANING_FEATURE_LEVEL,
  initial: initialLogState,
  fold: foldLogCommand,
  encodeCommand: encodeLogCommand,
  decodeCommand: decodeLogCommand,
  encodeOutcome: encodeLogOutcome,
  encodeState: encodeLogState,
  decodeState: decodeLogState,
  oldestNeededSeq: oldestInlinedSeq,
};

export function initialLogState(): LogState {
  return {
    replicas: [],
    isr: [],
    isrEpoch: 0,
    leader: NO_LEADER,
    lastDropSeq: 0,
    latestProposedAtMs: 0,
    retireFloor: -1,
    partitions: new Map(),
  };
}

function foldLogCommand(state: LogState, command: LogCommand, context: FoldContext): LogOutcome {
  switch (command.kind) {
    case "place-replicas":
      return foldPlaceReplicas(state, command);
    case "open":
      return foldOpen(state, command);
    case "drop":
      return foldDrop(state, command);
    case "append":
      return foldAppend(state, command, context);
    case "advance-log-start":
      return foldAdvanceLogStart(state, command);
    case "elect":
      return foldElect(state, command);
    case "alter-isr":
      return foldAlterIsr(state, command);
    case "declare-lost":
      return foldDeclareLost(state, command);
    case "add-replicas":
      return foldAddReplicas(state, command);
    case "replace":
      return foldReplace(state, command);
    case "gather":
      return foldGather(state, command);
    case "retire":
      return foldRetire(state, command);
    case "expire-producers":
      return foldExpireProducers(state, command);
    case "note-cleaning":
      return foldNoteCleaning(state, command);
    default:
      return unreachable(command);
  }
}

function oldestInlinedSeq(state: LogState): JournalSeq | undefined {
  let oldest: JournalSeq | undefined;
  for (const partition of state.partitions.values()) {
    // Entries stand in the order of their records, so a partition's first inlined one is its oldest.
    const first = partition.entries.find((entry) => entry.place.kind === "inline");
    if (first?.place.kind !== "inline") continue;
    if (oldest === undefined || first.place.seq < oldest) oldest = first.place.seq;
  }
  return oldest;
}
