import { expect, test } from "vitest";
import type { NoteCleaningCommand } from "#lib/log/log-command.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { batchOf, encodedState, type FoldedLog, openedLog, reloaded, TOPIC } from "./log-fixtures.ts";
import { inputsOf, replaceOf, segmentOf } from "./segment-commands.ts";

const DONE = { kind: "done" };

function noteOf(cleanedUntil: number, endOffset: number, partitionIndex = 0): NoteCleaningCommand {
  return { kind: "note-cleaning", topicId: TOPIC, partitionIndex, pass: { cleanedUntil, endOffset } };
}

/** Segments 0-2, cleaned, and 2-4 and 4-6, which are not; entry 6-7. */
function segmentedLog(): FoldedLog {
  const log = openedLog();
  for (let count = 0; count < 7; count++) log.append([batchOf()]);
  const segments = [{ ...segmentOf(0, 2), isCleaned: true }, segmentOf(2, 4), segmentOf(4, 6)];
  expect(log.fold(replaceOf(inputsOf(log).slice(0, 6), segments))).toEqual(DONE);
  return log;
}

test("a partition keeps how far a pass of the cleaner has come, in snapshots of version 4", () => {
  const log = segmentedLog();
  expect(encodedState(log.state)[0]).toBe(3);
  expect(log.fold(noteOf(2, 5))).toEqual(DONE);
  expect(log.partition().cleaning).toEqual({ cleanedUntil: 2, endOffset: 5 });
  expect(encodedState(log.state)[0]).toBe(4);
  expect(reloaded(log.state)).toEqual(log.state);
});

test("the pass is forgotten when nothing below its end is left to clean, and snapshots are as before", () => {
  const log = segmentedLog();
  log.fold(noteOf(2, 5));
  const inputs = inputsOf(log);
  log.fold(replaceOf(inputs.slice(1, 2), [{ ...segmentOf(2, 4), isCleaned: true }]));
  expect(log.partition().cleaning).toEqual({ cleanedUntil: 2, endOffset: 5 });
  log.fold(replaceOf(inputs.slice(2, 3), [{ ...segmentOf(4, 5), isCleaned: true }, segmentOf(5, 6)]));
  expect(log.partition().cleaning).toBeUndefined();
  expect(encodedState(log.state)[0]).toBe(3);
  // A process that was slow to say it.
  expect(log.fold(noteOf(4, 5))).toEqual(DONE);
  expect(log.partition().cleaning).toBeUndefined();
});

test("a pass that ends where it is, or behind the log, is refused, and so is one of a partition that is not open", () => {
  const log = segmentedLog();
  expect(log.fold(noteOf(5, 5))).toEqual({ kind: "refused", error: ErrorCode.INVALID_REQUEST });
  expect(log.fold(noteOf(2, 8))).toEqual({ kind: "refused", error: ErrorCode.INVALID_REQUEST });
  expect(log.fold(noteOf(2, 5, 9))).toEqual({ kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
  expect(log.partition().cleaning).toBeUndefined();
});
