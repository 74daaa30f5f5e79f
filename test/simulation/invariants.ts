import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { NO_RECORDS } from "./batches.ts";
import type { AppendAttempt, History, Span } from "./history.ts";
import type { SimBroker } from "./sim-broker.ts";
import type { PartitionMark, TruePartition, Truth } from "./truth.ts";

// What must hold whatever went wrong. Each check says what is broken, one line each; nothing is good.

type Problems = readonly string[];

/** What is acknowledged is committed, at the offset that the answer says, before the client hears of it. */
export function checkNoLostAck({ appends }: History, truth: Truth): Problems {
  const problems: string[] = [];
  for (const { batchName, partitionIndex, endMs, recordCount, result } of appends) {
    if (result.kind !== "acknowledged") continue;
    const { topicId, baseOffset } = result;
    const batch = truth.partitions
      .get(partitionKey(topicId, partitionIndex))
      ?.batches.find((each) => each.baseOffset === baseOffset);
    const isThere = batch?.name === batchName && batch.nextOffset === baseOffset + recordCount;
    if (!isThere) {
      problems.push(`checkNoLostAck: ${batchName} was acknowledged at ${baseOffset}, where there is ${batch?.name}`);
    } else if (batch.committedAtMs > endMs) {
      problems.push(`checkNoLostAck: ${batchName} was acknowledged before it was committed`);
    }
  }
  return problems;
}

/** No offset is given out twice. */
export function checkNoOffsetTwice({ appends }: History): Problems {
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const { batchName, partitionIndex, recordCount, result } of appends) {
    if (result.kind !== "acknowledged") continue;
    for (let offset = result.baseOffset; offset < result.baseOffset + recordCount; offset++) {
      const place = `${partitionKey(result.topicId, partitionIndex)}@${offset}`;
      const owner = owners.get(place);
      if (owner !== undefined && owner !== batchName) {
        problems.push(`checkNoOffsetTwice: ${place} was given to ${owner} and to ${batchName}`);
      }
      owners.set(place, batchName);
    }
  }
  return problems;
}

/** Batches follow one another, from offset 0 to the log end. */
export function checkNoGaps(truth: Truth): Problems {
  const problems: string[] = [];
  for (const { key, batches, marks } of truth.partitions.values()) {
    let next = 0;
    for (const { baseOffset, nextOffset, name } of batches) {
      if (baseOffset !== next) problems.push(`checkNoGaps: ${key}: ${name} begins at ${baseOffset}, not at ${next}`);
      next = nextOffset;
    }
    const logEndOffset = marks.at(-1)?.logEndOffset ?? 0;
    if (next !== logEndOffset) problems.push(`checkNoGaps: ${key} ends at ${next}, not at ${logEndOffset}`);
  }
  return problems;
}

/** Of one producer id, and over one connection of a producer that tries nothing twice, batches stand in the order sent. */
export function checkProducerOrder({ appends }: History, truth: Truth): Problems {
  const orders = new Map(appends.map(({ batchName, order }) => [batchName, order]));
  const problems: string[] = [];
  for (const { key, batches } of truth.partitions.values()) {
    const newest = new Map<string, number>();
    for (const { name } of batches) {
      const order = orders.get(name);
      if (order === undefined) continue;
      const number = Number(name.slice(name.lastIndexOf(".") + 1));
      const before = newest.get(order) ?? -1;
      if (number < before) problems.push(`checkProducerOrder: ${key}: ${name} of ${order} stands behind ${before}`);
      newest.set(order, Math.max(before, number));
    }
  }
  return problems;
}

/** Every batch stands once: nobody tries twice without a sequence, and those with one are known again. */
export function checkIdempotence({ appends }: History, truth: Truth): Problems {
  const problems: string[] = [];
  const seen = new Set<string>();
  const idempotent = new Set(appends.filter(({ isIdempotent }) => isIdempotent).map(({ batchName }) => batchName));
  for (const { key, topicId, batches } of truth.partitions.values()) {
    for (const { name } of batches) {
      // Who tries again by the topic's name may meet another topic of that name, which knows of nothing.
      const identity = idempotent.has(name) ? `${name} in ${topicId}` : name;
      if (seen.has(identity)) problems.push(`checkIdempotence: ${name} stands twice, again in ${key}`);
      seen.add(identity).add(name);
    }
  }
  const attempts = Map.groupBy(appends, ({ batchName }) => batchName);
  for (const [name, tries] of attempts) {
    if (tries.length === 1 && tries[0]?.result.kind === "refused" && seen.has(name)) {
      problems.push(`checkIdempotence: ${name} was refused for good, and stands there`);
    }
  }
  return [...problems, ...checkSequences(appends)];
}

/** Who sends one batch at a time is never out of order. */
function checkSequences(appends: readonly AppendAttempt[]): Problems {
  return appends.flatMap(({ batchName, inFlightMax, result }) =>
    result.kind === "refused" && result.error === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && inFlightMax === 1
      ? [`checkIdempotence: ${batchName}, sent when all before it were acknowledged, is called out of order`]
      : [],
  );
}

/** What any reader saw is what is committed, and was so when it was shown. */
export function checkNothingShownEarly({ fetches }: History, truth: Truth): Problems {
  const problems: string[] = [];
  for (const { client, topicId, partitionIndex, fetchOffset, batches, highWatermark, endMs, error } of fetches) {
    if (error !== ErrorCode.NONE) continue;
    const key = partitionKey(topicId, partitionIndex);
    const partition = truth.partitions.get(key);
    const [first] = batches;
    // Of a compacted log it is `checkNoMiss` that says what may be absent.
    const mayMiss = truth.topics.get(topicId)?.isCompacted === true && truth.workers !== undefined;
    if (!mayMiss && first !== undefined && (first.baseOffset > fetchOffset || first.nextOffset <= fetchOffset)) {
      problems.push(`checkNothingShownEarly: ${client} asked ${key} for ${fetchOffset} and got ${first.baseOffset}`);
    }
    for (const [index, { name, baseOffset, nextOffset }] of batches.entries()) {
      const before = batches[index - 1];
      if (mayMiss && name === NO_RECORDS) continue;
      if (!mayMiss && before !== undefined && before.nextOffset !== baseOffset) {
        problems.push(`checkNothingShownEarly: ${client} got a hole before ${key}@${baseOffset}`);
      }
      const own = partition?.batches.find((each) => each.baseOffset === baseOffset);
      if (own?.name !== name || own.nextOffset !== nextOffset || own.committedAtMs > endMs) {
        problems.push(`checkNothingShownEarly: ${client} saw ${name} at ${key}@${baseOffset}, where ${own?.name} is`);
      }
    }
    const logEndOffset = partition === undefined ? 0 : (markAt(partition, endMs)?.logEndOffset ?? 0);
    if (highWatermark > logEndOffset) {
      problems.push(`checkNothingShownEarly: ${client} was told that ${key} ends at ${highWatermark}`);
    }
  }
  return problems;
}

/** Who is answered without an error gets all that is retained from where he asked, but what a compacted log need not keep. */
export function checkNoMiss({ fetches }: History, truth: Truth): Problems {
  const problems: string[] = [];
  for (const seen of fetches) {
    const { client, topicId, partitionIndex, fetchOffset, batches, highWatermark, endMs, error } = seen;
    const key = partitionKey(topicId, partitionIndex);
    const partition = truth.partitions.get(key);
    if (error !== ErrorCode.NONE || partition === undefined) continue;
    if ((partition.droppedAtMs ?? Number.POSITIVE_INFINITY) <= endMs) continue;
    const logStartOffset = markAt(partition, endMs)?.logStartOffset ?? 0;
    // Whoever waits is told of what a look that may be a little old has shown.
    const isEmpty = batches.length === 0 && highWatermark > fetchOffset;
    if (isEmpty && fetchOffset >= logStartOffset) {
      problems.push(
        `checkNoMiss: ${client} was told of nothing at ${key}@${fetchOffset}, which ended at ${highWatermark}`,
      );
    }
    if (truth.workers === undefined || truth.topics.get(topicId)?.isCompacted !== true) continue;
    const offsets = new Set(batches.flatMap((batch) => batch.offsets));
    const toOffset = batches.at(-1)?.nextOffset ?? fetchOffset;
    for (let offset = Math.max(fetchOffset, logStartOffset); offset < toOffset; offset++) {
      if (offsets.has(offset) || truth.workers.isSuperseded(partition, offset, endMs)) continue;
      problems.push(`checkNoMiss: ${client} did not get the last record of its key at ${key}@${offset}`);
    }
  }
  return problems;
}

/** A "no" was true at some instant between the question and the answer; so was a log end. */
export function checkNoTrue(history: History, truth: Truth): Problems {
  const problems: string[] = [];
  for (const seen of history.fetches) {
    if (seen.error !== ErrorCode.OFFSET_OUT_OF_RANGE) continue;
    const isTrue = standings(seen, truth).some(
      ({ logStartOffset, logEndOffset }) => seen.fetchOffset < logStartOffset || seen.fetchOffset > logEndOffset,
    );
    if (!isTrue) problems.push(`checkNoTrue: ${seen.client} was told that ${seen.fetchOffset} is out of range`);
  }
  for (const seen of history.offsets) {
    if (seen.error !== ErrorCode.NONE) continue;
    const key = partitionKey(seen.topicId, seen.partitionIndex);
    if (seen.spec === "latest") {
      const isTrue = standings(seen, truth).some(({ logEndOffset }) => logEndOffset === seen.offset);
      if (!isTrue) problems.push(`checkNoTrue: ${seen.client} was told that ${key} ends at ${seen.offset}`);
      continue;
    }
    const marks = truth.partitions.get(key)?.marks.filter(({ atMs }) => atMs <= seen.endMs) ?? [];
    const wasTrue = seen.offset === 0 || marks.some(({ logStartOffset }) => logStartOffset === seen.offset);
    if (!wasTrue) problems.push(`checkNoTrue: ${seen.client} was told that ${key} begins at ${seen.offset}`);
  }
  for (const seen of history.unknownTopics) {
    if (!wasUnknown(seen, truth))
      problems.push(`checkNoTrue: ${seen.client} was told that ${seen.topicName} is unknown`);
  }
  return problems;
}

/** How a partition stood at the beginning of a span and after each change in it. */
function standings(
  seen: Span & { readonly topicId: TopicId; readonly partitionIndex: number },
  truth: Truth,
): readonly Pick<PartitionMark, "logStartOffset" | "logEndOffset">[] {
  const empty = { logStartOffset: 0, logEndOffset: 0 };
  const partition = truth.partitions.get(partitionKey(seen.topicId, seen.partitionIndex));
  const deletedAtMs = truth.topics.get(seen.topicId)?.deletedAtMs ?? Number.POSITIVE_INFINITY;
  if (partition === undefined) return deletedAtMs > seen.startMs ? [empty] : [];
  if ((partition.droppedAtMs ?? Number.POSITIVE_INFINITY) <= seen.startMs) return [];
  const first = markAt(partition, seen.startMs) ?? empty;
  const during = partition.marks.filter(({ atMs }) => atMs > seen.startMs && atMs <= seen.endMs);
  return [first, ...during];
}

function markAt({ marks }: TruePartition, atMs: number): PartitionMark | undefined {
  return marks.findLast((mark) => mark.atMs <= atMs);
}

function wasUnknown(seen: History["unknownTopics"][number], truth: Truth): boolean {
  const named = [...truth.topics.values()].filter(({ name, topicId }) =>
    seen.topicId === undefined ? name === seen.topicName : topicId === seen.topicId,
  );
  // A process may take a name for the topic that had it before; that this one is gone is true.
  const isAnotherGone = named.some(({ deletedAtMs }) => deletedAtMs !== undefined && deletedAtMs <= seen.endMs);
  if (seen.topicId === undefined && isAnotherGone) return true;
  // The instants at which the answer may have changed.
  const instants = [seen.startMs];
  for (const { createdAtMs, deletedAtMs, growths } of named) {
    instants.push(createdAtMs, deletedAtMs ?? seen.startMs, ...growths.map(({ atMs }) => atMs));
  }
  return instants
    .filter((atMs) => atMs >= seen.startMs && atMs <= seen.endMs)
    .some((atMs) => {
      return !named.some(({ createdAtMs, deletedAtMs, growths }) => {
        const partitionCount = growths.findLast((growth) => growth.atMs <= atMs)?.partitionCount ?? 0;
        const lives = createdAtMs <= atMs && (deletedAtMs === undefined || deletedAtMs > atMs);
        return lives && seen.partitionIndex < partitionCount;
      });
    });
}

/** A topic that is gone stays gone: what is open belongs to a topic that is there, or is still being deleted. */
export function checkNoRevival(truth: Truth): Problems {
  const problems: string[] = [];
  for (const state of truth.logStates()) {
    for (const { topicId, partitionIndex } of state.partitions.values()) {
      if (!truth.clusterState.topics.has(topicId)) {
        problems.push(`checkNoRevival: ${partitionKey(topicId, partitionIndex)} is open, and its topic is gone`);
      }
    }
  }
  return problems;
}

/** `encode(decode(encode(s)))` gives the same bytes, and processes at the same number have the same checksum. */
export function checkFixpoint(broker: SimBroker, truth: Truth): Problems {
  const problems: string[] = [];
  const { name } = broker.host;
  for (const [id, replica] of broker.replicas) {
    const expected = truth.checksumAt(id, replica.seq);
    if (expected !== replica.checksum) problems.push(`checkChecksum: ${name} differs in ${id} at ${replica.seq}`);
  }
  for (const [id, replica] of broker.logReplicas) {
    if (!isFixpoint(broker.options.logMachine, replica.state)) {
      problems.push(`checkFixpoint: ${name}: the state of ${id} at ${replica.seq} does not survive its snapshot`);
    }
  }
  if (!isFixpoint(clusterStateMachine, broker.cluster.state)) {
    problems.push(`checkFixpoint: ${name}: the state of ${CLUSTER_JOURNAL_ID} does not survive its snapshot`);
  }
  return problems;
}

export function isFixpoint<State, Command, Outcome>(
  machine: StateMachine<State, Command, Outcome>,
  state: State,
): boolean {
  const once = encoded(machine, state);
  const reader = new ByteReader(once);
  const restored = machine.decodeState(reader);
  reader.end();
  return Buffer.compare(once, encoded(machine, restored)) === 0;
}

function encoded<State, Command, Outcome>(machine: StateMachine<State, Command, Outcome>, state: State): Uint8Array {
  const writer = new ByteWriter(1_024);
  machine.encodeState(state, writer);
  return writer.toBytes();
}

/** Everything about a history, in the order in which it is best read. */
export function checkHistory(history: History, truth: Truth): Problems {
  return [
    ...history.problems,
    ...truth.problems,
    ...checkNoLostAck(history, truth),
    ...checkNoOffsetTwice(history),
    ...checkNoGaps(truth),
    ...checkProducerOrder(history, truth),
    ...checkIdempotence(history, truth),
    ...checkNothingShownEarly(history, truth),
    ...checkNoMiss(history, truth),
    ...checkNoTrue(history, truth),
    ...checkNoRevival(truth),
  ];
}
