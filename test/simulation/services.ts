import { hasPartition, resolveTopics } from "#lib/broker/resolve-topics.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { AppendAnswer, FetchedPartition, FoundOffset } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { type Offset, type TopicId, ZERO_UUID } from "#lib/util/branded.ts";
import type { Service } from "./connection.ts";
import type { SimBroker } from "./sim-broker.ts";

// What the handlers of Produce, Fetch and ListOffsets do with a request, without its encoding.

export interface Named {
  readonly topicName: string;
  /** Undefined: by name, as old versions do. */
  readonly topicId: TopicId | undefined;
  readonly partitionIndex: number;
}

async function resolve(broker: SimBroker, named: Named, signal: AbortSignal): Promise<TopicView | ErrorCode> {
  const reference = {
    name: named.topicName,
    topicId: named.topicId ?? ZERO_UUID,
    highestPartition: named.partitionIndex,
  };
  const byId = named.topicId !== undefined;
  const view = (await resolveTopics(broker.view, [reference], { byId, signal }))(reference);
  if (view === ErrorCode.UNKNOWN_TOPIC_ID) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  if (typeof view === "number") return view;
  return hasPartition(view, named.partitionIndex) ? view : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

export type Acks = "0" | "1" | "all";

export interface Produced {
  readonly topicId: TopicId | undefined;
  /** Undefined with acks=0: the client is told nothing. */
  readonly answer: AppendAnswer | undefined;
}

export function produce(
  named: Named,
  batch: Uint8Array,
  options: { readonly acks: Acks; readonly timeoutMs: number },
): Service<Produced> {
  return async (broker, signal) => {
    await broker.appender.whenBelowLimit();
    const view = await resolve(broker, named, signal);
    if (typeof view === "number") {
      return { answer: Promise.resolve({ topicId: undefined, answer: { kind: "refused", error: view } }) };
    }
    const { topicId } = view;
    const topic = broker.directory.find(topicId) ?? view.placement;
    const bytes = batch.slice();
    const limit = timeLimit(broker.host.clock, options.timeoutMs, signal);
    const append = { topic, partitionIndex: named.partitionIndex, header: readBatchHeader(bytes), bytes };
    const answers = broker.appender.append([append], {
      signal: limit.signal,
      requireMinInsync: options.acks === "all",
    });
    if (options.acks === "0") {
      void answers.then(() => limit[Symbol.dispose]());
      return { answer: Promise.resolve({ topicId, answer: undefined }) };
    }
    const answer = answers.then(([first]): Produced => {
      limit[Symbol.dispose]();
      return { topicId, answer: first ?? { kind: "refused", error: ErrorCode.UNKNOWN_SERVER_ERROR } };
    });
    return { answer };
  };
}

export interface Fetched {
  readonly topicId: TopicId | undefined;
  readonly fetched: FetchedPartition;
}

export function fetch(
  named: Named,
  fetchOffset: Offset,
  options: { readonly bytesMax: number; readonly waitMsMax: number },
): Service<Fetched> {
  return async (broker, signal) => {
    const view = await resolve(broker, named, signal);
    if (typeof view === "number") return { answer: Promise.resolve({ topicId: undefined, fetched: failed(view) }) };
    const { topicId, placement } = view;
    const { bytesMax, waitMsMax } = options;
    const partition = { topic: placement, partitionIndex: named.partitionIndex, fetchOffset, bytesMax };
    const limits = { bytesMax, bytesMin: 1, waitMsMax, readCommitted: false, signal };
    const [fetched] = await broker.fetcher.fetch([partition], limits);
    return { answer: Promise.resolve({ topicId, fetched: fetched ?? failed(ErrorCode.UNKNOWN_SERVER_ERROR) }) };
  };
}

function failed(error: ErrorCode): FetchedPartition {
  const nothing = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
  return { error, ...nothing, records: [], recordsByteLength: 0 };
}

export interface Listed {
  readonly topicId: TopicId | undefined;
  readonly found: FoundOffset;
}

export function listOffset(named: Named, kind: "earliest" | "latest"): Service<Listed> {
  return async (broker, signal) => {
    const view = await resolve(broker, named, signal);
    if (typeof view === "number") {
      return { answer: Promise.resolve({ topicId: undefined, found: { error: view, offset: -1, timestampMs: -1 } }) };
    }
    const spec = kind === "latest" ? ({ kind, readCommitted: false } as const) : ({ kind } as const);
    const query = { topic: view.placement, partitionIndex: named.partitionIndex, spec };
    const [found] = await broker.offsets.listOffsets([query], signal);
    const none = { error: ErrorCode.UNKNOWN_SERVER_ERROR, offset: -1, timestampMs: -1 };
    return { answer: Promise.resolve({ topicId: view.topicId, found: found ?? none }) };
  };
}

/** Something that a process does for a client and answers when it is done. */
export function act<T>(work: (broker: SimBroker, signal: AbortSignal) => Promise<T>): Service<T> {
  return async (broker, signal) => {
    const answer = work(broker, signal);
    // Whoever admits does not wait for it, and its failure is told with the answer.
    answer.catch(() => undefined);
    return { answer };
  };
}
