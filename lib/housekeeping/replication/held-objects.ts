import { storesOf } from "#lib/log/commit-rule.ts";
import type { AppendCommand, LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import { type LogSegment, type LogState, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { segmentFiles } from "#lib/log/segments.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { JOURNAL_OBJECT_PREFIX, uploadEpochOf } from "#lib/storage/object-keys.ts";
import type { ObjectKey, StoreId, TimestampMs, TopicId } from "#lib/util/branded.ts";

/** An object that a log journal's state refers to. */
export interface HeldObject {
  readonly key: ObjectKey;
  readonly byteLength: number;
  /** The stores that had it by its record. */
  readonly copies: readonly StoreId[];
  /** When what it holds was appended; the object may be younger. */
  readonly appendedAtMs: TimestampMs;
}

/** What a fold has made the state refer to, and the stores that should have it. */
export interface PlacedObject {
  readonly object: Omit<HeldObject, "appendedAtMs">;
  readonly stores: readonly StoreId[];
}

/** Partitions and what they hold, looked at in one turn of the event loop. */
const LOOKS_PER_TURN = 10_000;
const HOUR_MS = 3_600_000;

/** Everything that a partition needs of the stores; an object as often as entries lie in it. */
export function* heldBy({ entries, segments }: PartitionState): Generator<HeldObject> {
  for (const segment of segments) yield* filesOf(segment);
  for (const { place, appendedAtMs } of entries) {
    if (place.kind !== "object") continue;
    const { key, byteLength, copies } = place;
    yield { key, byteLength, copies, appendedAtMs };
  }
}

/** Whether the object may have been written since then. Keys tell the hour; what was appended long ago may lie in a new one. */
export function mayBeWrittenSince({ key, appendedAtMs }: HeldObject, sinceMs: TimestampMs): boolean {
  return appendedAtMs >= sinceMs || ((uploadEpochOf(key) ?? 0) + 1) * HOUR_MS > sinceMs;
}

/** Whether the object was surely written since then. */
export function isWrittenSince({ key, appendedAtMs }: HeldObject, sinceMs: TimestampMs): boolean {
  return appendedAtMs >= sinceMs || (uploadEpochOf(key) ?? 0) * HOUR_MS >= sinceMs;
}

/** Calls back for each partition, cut into turns of the event loop: the fold goes on meanwhile. */
export async function eachPartition(
  state: LogState,
  clock: Clock,
  visit: (partition: PartitionState) => void,
): Promise<void> {
  let count = 0;
  for (const partition of [...state.partitions.values()]) {
    visit(partition);
    count += 1 + partition.entries.length + partition.segments.length;
    if (count < LOOKS_PER_TURN) continue;
    count = 0;
    await clock.endOfTurn();
  }
}

/** Those of `keys` that the states still refer to; the objects of journals, of which they know nothing, are among them. */
export async function neededOf(
  keys: readonly ObjectKey[],
  states: readonly LogState[],
  clock: Clock,
): Promise<ReadonlySet<ObjectKey>> {
  const needed = new Set(keys.filter((key) => key.startsWith(JOURNAL_OBJECT_PREFIX)));
  if (needed.size === keys.length) return needed;
  const wanted = new Set(keys);
  // Most segments are told apart by their directories, without the names of their files.
  const directories = new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/"))));
  for (const state of states) {
    await eachPartition(state, clock, ({ entries, segments }) => {
      for (const { place } of entries) if (place.kind === "object" && wanted.has(place.key)) needed.add(place.key);
      for (const segment of segments) {
        if (!directories.has(segment.directory)) continue;
        for (const { key } of segmentFiles(segment)) if (wanted.has(key)) needed.add(key);
      }
    });
  }
  return needed;
}

/** The segment that a file belongs to by these states. */
export function segmentOf(key: ObjectKey, states: readonly LogState[]): LogSegment | undefined {
  const directory = key.slice(0, key.lastIndexOf("/"));
  for (const { partitions } of states) {
    for (const { segments } of partitions.values()) {
      const found = segments.find(
        (segment) => segment.directory === directory && segmentFiles(segment).some((file) => file.key === key),
      );
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Called when the state has folded the command. */
export function placedBy(state: LogState, command: LogCommand, outcome: LogOutcome): readonly PlacedObject[] {
  if (command.kind === "append" && outcome.kind === "appended") {
    const { source } = command;
    return source.kind === "object" ? [{ object: source, stores: storesOfAppend(state, command, outcome) }] : [];
  }
  if (command.kind === "gather" && outcome.kind === "gathered") {
    const stores = new Set<StoreId>();
    command.parts.forEach((part, at) => {
      if (outcome.parts[at] === true) for (const id of placementOf(state, part)) stores.add(id);
    });
    return [{ object: command, stores: [...stores] }];
  }
  if (command.kind === "replace" && outcome.kind === "done") {
    const stores = placementOf(state, command);
    return command.segments.flatMap(filesOf).map((object) => ({ object, stores }));
  }
  return [];
}

function filesOf(segment: LogSegment): readonly HeldObject[] {
  const { copies, appendedAtMs } = segment;
  return segmentFiles(segment).map(({ key, byteLength }) => ({ key, byteLength, copies, appendedAtMs }));
}

/** The stores that should have what an append has brought; the parts of one command have the same stores. */
function storesOfAppend(
  state: LogState,
  command: AppendCommand,
  outcome: LogOutcome & { readonly kind: "appended" },
): readonly StoreId[] {
  const index = outcome.parts.findIndex((batches) => batches.some((batch) => batch.kind === "appended"));
  const part = command.parts[index];
  return part === undefined ? [] : placementOf(state, part);
}

function placementOf(
  state: LogState,
  { topicId, partitionIndex }: { readonly topicId: TopicId; readonly partitionIndex: number },
): readonly StoreId[] {
  const partition = state.partitions.get(partitionKey(topicId, partitionIndex));
  return partition === undefined ? [] : storesOf(state, partition);
}
