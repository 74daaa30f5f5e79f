import type { EntryInput, EntryPlaceId, GatherCommand, LogCommand, ReplaceCommand } from "#lib/log/log-command.ts";
import type { LogSegment } from "#lib/log/log-state.ts";
import { entryInput, segmentInput } from "#lib/log/segments.ts";
import { objectKey } from "#lib/util/branded.ts";
import { type FoldedLog, flushIdOf, TOPIC } from "./log-fixtures.ts";

/** The directory of attempt `n` of upload epoch `epoch`. */
export function directoryOf(n: number, epoch = 100): string {
  return `segments/${String(epoch).padStart(10, "0")}/${n.toString(16).padStart(32, "0")}/topic-0`;
}

export function walKeyOf(n: number, epoch = 100) {
  return objectKey(`wal/${String(epoch).padStart(10, "0")}/${"a".repeat(16)}/${flushIdOf(n)}`);
}

export function segmentOf(baseOffset: number, nextOffset: number, fields: Partial<LogSegment> = {}): LogSegment {
  return {
    baseOffset,
    nextOffset,
    directory: directoryOf(1),
    byteLength: 100 * (nextOffset - baseOffset),
    indexByteLength: 8,
    timeIndexByteLength: 12,
    txnIndexByteLength: 0,
    maxTimestampMs: 1_000,
    appendedAtMs: 1_000_000,
    isCleaned: false,
    copies: [0],
    ...fields,
  };
}

export function replaceOf(
  inputs: ReplaceCommand["inputs"],
  segments: readonly LogSegment[],
  fields: Partial<ReplaceCommand> = {},
): ReplaceCommand {
  return { kind: "replace", topicId: TOPIC, partitionIndex: 0, inputs, segments, ...fields };
}

export function gatherOf(n: number, fields: Partial<GatherCommand> = {}): GatherCommand {
  return {
    kind: "gather",
    flushId: flushIdOf(n),
    key: walKeyOf(n),
    byteLength: 1_000,
    copies: [0],
    parts: [],
    ...fields,
  };
}

/** The partition's segments and entries, as a command names them. */
export function inputsOf(log: FoldedLog, partitionIndex = 0): ReplaceCommand["inputs"] {
  const { segments, entries } = log.partition(partitionIndex);
  return [...segments.map(segmentInput), ...entries.map(entryInput)];
}

export function entryInputsOf(log: FoldedLog, partitionIndex = 0): readonly EntryInput[] {
  return log.partition(partitionIndex).entries.map(entryInput);
}

/** `<base>-<next>` of each segment, then of each entry with what it lies in. */
export function layoutOf(log: FoldedLog, partitionIndex = 0): string {
  const { segments, entries } = log.partition(partitionIndex);
  const runs = [
    ...segments.map(
      ({ baseOffset, nextOffset, copies }) => `${baseOffset}-${nextOffset}${copies.length === 0 ? "!" : ""}`,
    ),
    "|",
    ...entries.map(({ baseOffset, nextOffset, place }) => `${baseOffset}-${nextOffset}${place.kind[0]}`),
  ];
  return runs.join(" ");
}

/** The same input, but of another place. */
export function withPlace(input: EntryInput, place: EntryPlaceId): EntryInput {
  return { ...input, place };
}

/** Each kind with each kind of input. */
export const SEGMENT_COMMANDS: readonly LogCommand[] = [
  replaceOf(
    [
      { kind: "segment", baseOffset: 0, nextOffset: 300, directory: directoryOf(2) },
      { kind: "segment", baseOffset: 300, nextOffset: 301, directory: "" },
      { kind: "entry", baseOffset: 301, nextOffset: 302, place: { kind: "object", flushId: flushIdOf(5) } },
      { kind: "entry", baseOffset: 302, nextOffset: 305, place: { kind: "inline", seq: 300, indexInRecord: 2 } },
      { kind: "entry", baseOffset: 305, nextOffset: 306, place: { kind: "lost" } },
    ],
    [
      segmentOf(0, 305, { isCleaned: true, copies: [2, 0], txnIndexByteLength: 34 }),
      segmentOf(305, 306, { maxTimestampMs: -1, copies: [] }),
    ],
    { partitionIndex: 300 },
  ),
  replaceOf([], []),
  gatherOf(9, {
    copies: [1, 0],
    parts: [
      {
        topicId: TOPIC,
        partitionIndex: 3,
        position: 28,
        inputs: [
          { kind: "entry", baseOffset: 1, nextOffset: 2, place: { kind: "inline", seq: 7, indexInRecord: 0 } },
          { kind: "entry", baseOffset: 2, nextOffset: 300, place: { kind: "object", flushId: flushIdOf(5) } },
        ],
      },
      { topicId: TOPIC, partitionIndex: 4, position: 428, inputs: [] },
    ],
  }),
  { kind: "retire", floor: 495_000 },
  { kind: "expire-producers", topicId: TOPIC, partitionIndex: 5, idleSinceMs: 1_000_000 },
  { kind: "note-cleaning", topicId: TOPIC, partitionIndex: 5, pass: { cleanedUntil: 300, endOffset: 70_000 } },
];
