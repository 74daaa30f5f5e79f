import type { TopicOffsets } from "#lib/client/group-offsets.ts";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { findTopics, listOffsets, type TopicMetadata } from "#lib/client/topic-metadata.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ListOffsetsTimestamp } from "#lib/protocol/messages/list-offsets.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { parseInteger } from "./parse.ts";
import { tellRetries } from "./retries.ts";
import { CommandFailure, UsageError } from "./usage-error.ts";

/** Where committed offsets are to go. */
export type ResetTo =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly timestampMs: TimestampMs }
  | { readonly kind: "shift"; readonly by: number }
  | { readonly kind: "offset"; readonly offset: Offset };

/** Topics with the partitions meant; undefined: all of the topic. */
export type ResetTargets = ReadonlyMap<string, readonly number[] | undefined>;

export interface PlannedReset {
  readonly topic: string;
  readonly partition: number;
  readonly from: Offset | null;
  readonly to: Offset;
  /** Why it is not the offset that was asked for; empty if it is. */
  readonly note: string;
}

/** `T` or `T:P,P`, each topic once. */
export function parseTargets(texts: readonly string[]): ResetTargets {
  const targets = new Map<string, readonly number[] | undefined>();
  for (const text of texts) {
    const [, topic, list] = /^([^:]+)(?::(.*))?$/.exec(text) ?? [];
    if (topic === undefined) throw new UsageError(`--topic is TOPIC or TOPIC:PARTITION[,PARTITION], not "${text}"`);
    if (targets.has(topic)) throw new UsageError(`--topic names ${topic} twice`);
    const name = `a partition of --topic ${topic}`;
    const parse = (part: string) => parseInteger(part, { name, min: 0, max: 0x7fff_ffff });
    targets.set(topic, list === undefined ? undefined : [...new Set(list.split(",").map(parse))]);
  }
  return targets;
}

/** What a reset would commit, by topic and partition. Fails with `KafkaError` for a topic or partition that is not there. */
export async function planReset(
  client: KafkaClient,
  reset: { readonly targets: ResetTargets; readonly committed: TopicOffsets; readonly to: ResetTo },
  signal: AbortSignal,
): Promise<readonly PlannedReset[]> {
  const { targets, committed, to } = reset;
  const topics = await findTopics(client, [...targets.keys()], signal);
  const planned: PlannedReset[] = [];
  const onRetry = tellRetries();
  for (const [name, wanted] of [...targets].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const topic = topics.get(name);
    if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${name}`);
    const offsets = committed.get(name) ?? new Map<number, Offset>();
    const indexes = indexesOf(topic, wanted);
    const at = (timestamp: number) => listOffsets(client, topic, { indexes, timestamp, onRetry }, signal);
    const starts = await at(ListOffsetsTimestamp.EARLIEST);
    const ends = await at(ListOffsetsTimestamp.LATEST);
    const times = to.kind === "time" ? await at(to.timestampMs) : undefined;
    for (const partition of indexes) {
      const from = offsets.get(partition) ?? null;
      const bounds = { start: starts.get(partition) ?? 0, end: ends.get(partition) ?? 0 };
      const aim = aimOf(to, { name: `${name}-${partition}`, from, atTime: times?.get(partition) ?? -1 });
      planned.push({ topic: name, partition, from, ...settle(aim, bounds) });
    }
  }
  return planned;
}

function indexesOf(topic: TopicMetadata, wanted: readonly number[] | undefined): readonly number[] {
  const all = topic.partitions.map(({ index }) => index);
  for (const index of wanted ?? []) {
    if (all.includes(index)) continue;
    const detail = `There is no partition ${index}; ${topic.name} has 0 to ${all.length - 1}.`;
    throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `${topic.name}-${index}`, detail);
  }
  return wanted === undefined ? all : [...wanted].sort((a, b) => a - b);
}

/** What is aimed at before the log's bounds are known: the ends of the log as infinities. */
function aimOf(
  to: ResetTo,
  partition: { readonly name: string; readonly from: Offset | null; readonly atTime: Offset },
): Aim {
  switch (to.kind) {
    case "earliest":
      return { offset: Number.NEGATIVE_INFINITY };
    case "latest":
      return { offset: Number.POSITIVE_INFINITY };
    case "time":
      if (partition.atTime >= 0) return { offset: partition.atTime };
      return { offset: Number.POSITIVE_INFINITY, note: "no record is as young: the log's end" };
    case "offset":
      return { offset: to.offset };
    case "shift":
      if (partition.from !== null) return { offset: partition.from + to.by };
      throw new CommandFailure(
        `nothing is committed for ${partition.name}, so there is nothing to shift; choose another way for it, or name the other partitions with --topic`,
      );
  }
}

export interface Aim {
  readonly offset: number;
  readonly note?: string;
}

/** The offset nearest to the aim that the log has, its end included. */
export function settle(
  { offset, note = "" }: Aim,
  { start, end }: { readonly start: Offset; readonly end: Offset },
): { readonly to: Offset; readonly note: string } {
  const to = Math.min(Math.max(offset, start), end);
  if (to === offset || !Number.isFinite(offset)) return { to, note };
  const edge = offset < start ? "beginning" : "end";
  return { to, note: `${offset} is not in the log: its ${edge}` };
}

/** The planned offsets in the form in which they are committed. */
export function offsetsOf(planned: readonly PlannedReset[]): TopicOffsets {
  const offsets = new Map<string, Map<number, Offset>>();
  for (const { topic, partition, to } of planned) {
    const partitions = offsets.get(topic) ?? new Map<number, Offset>();
    offsets.set(topic, partitions.set(partition, to));
  }
  return offsets;
}
