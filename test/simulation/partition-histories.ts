import { partitionKey } from "#lib/log/log-state.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { NO_RECORDS } from "./batches.ts";
import type { AppendAttempt, History } from "./history.ts";
import { checkLinearizable, type LogOperation } from "./linearizability.ts";

/** What clients did and saw, as operations on one log after another. */
export function partitionHistories(
  history: History,
  topicNames: ReadonlyMap<TopicId, string>,
): ReadonlyMap<string, readonly LogOperation[]> {
  const histories = new Map<string, LogOperation[]>();
  const of = (topicId: TopicId, partitionIndex: number): LogOperation[] => {
    const key = partitionKey(topicId, partitionIndex);
    const known = histories.get(key) ?? [];
    histories.set(key, known);
    return known;
  };
  for (const attempts of Map.groupBy(history.appends, ({ batchName }) => batchName).values()) {
    for (const [topicId, name] of topicNames) {
      const operation = name === attempts[0]?.topicName ? appendIn(topicId, attempts) : undefined;
      if (operation !== undefined) of(topicId, attempts[0]?.partitionIndex ?? 0).push(operation);
    }
  }
  const firstReads = new Map<string, { readonly operations: LogOperation[]; readonly read: LogOperation }>();
  for (const { topicId, partitionIndex, startMs, endMs, batches, error } of history.fetches) {
    if (error !== ErrorCode.NONE) continue;
    for (const { name, baseOffset, nextOffset } of batches) {
      // All that the cleaner has left of some batch: it says of no append that it was there.
      if (name === NO_RECORDS) continue;
      // What stands in a log stays there, so the first who saw it says it all.
      const place = `${partitionKey(topicId, partitionIndex)} ${name}@${baseOffset}-${nextOffset}`;
      if ((firstReads.get(place)?.read.endMs ?? Number.POSITIVE_INFINITY) <= endMs) continue;
      const read = { kind: "read", name, offset: baseOffset, count: nextOffset - baseOffset, startMs, endMs } as const;
      firstReads.set(place, { operations: of(topicId, partitionIndex), read });
    }
  }
  for (const { operations, read } of firstReads.values()) operations.push(read);
  for (const { topicId, partitionIndex, startMs, endMs, error, offset, spec } of history.offsets) {
    if (error !== ErrorCode.NONE || spec !== "latest") continue;
    of(topicId, partitionIndex).push({ kind: "end", offset, startMs, endMs });
  }
  return histories;
}

/** All tries of one batch are one operation: it takes effect once, from the first try on. Undefined: it did not. */
function appendIn(topicId: TopicId, attempts: readonly AppendAttempt[]): LogOperation | undefined {
  const startMs = Math.min(...attempts.map((attempt) => attempt.startMs));
  const [{ batchName: name, recordCount: count } = { batchName: "", recordCount: 0 }] = attempts;
  for (const { result, endMs } of attempts) {
    if (result.kind !== "acknowledged" || result.topicId !== topicId) continue;
    return { kind: "append", name, count, offset: result.baseOffset, startMs, endMs };
  }
  const isOpen = attempts.some(({ result }) => result.kind === "unknown");
  return isOpen ? { kind: "append", name, count, offset: undefined, startMs, endMs: undefined } : undefined;
}

/** The partitions whose histories no log explains, and the number of those for which the search was given up. */
export function checkLinearizability(
  history: History,
  topicNames: ReadonlyMap<TopicId, string>,
): { readonly problems: readonly string[]; readonly undecided: number } {
  const problems: string[] = [];
  let undecided = 0;
  for (const [key, operations] of partitionHistories(history, topicNames)) {
    const verdict = checkLinearizable(operations, 4_000);
    if (verdict === "not linearizable") problems.push(`checkLinearizability: no log explains the history of ${key}`);
    if (verdict === "undecided") undecided++;
  }
  return { problems, undecided };
}
