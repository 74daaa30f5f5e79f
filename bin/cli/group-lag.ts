import { firstTimestamp } from "#lib/client/first-record.ts";
import type { TopicOffsets } from "#lib/client/group-offsets.ts";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { findTopics, listOffsets, type TopicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigResourceType } from "#lib/protocol/messages/describe-configs.ts";
import { ListOffsetsTimestamp } from "#lib/protocol/messages/list-offsets.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { CLIENT_LOOK_UPS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import type { GroupDescription } from "./group-admin.ts";
import { tellRetries } from "./retries.ts";

/** One partition of a group. Null is what cannot be known: nothing committed, no leader, no such topic any more. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: Offset | null;
  readonly logStartOffset: Offset | null;
  readonly logEndOffset: Offset | null;
  /** Offsets between the committed one and the log's end. */
  readonly lagRecords: number | null;
  /** Since the timestamp of the first unread record; 0 when nothing is unread. */
  readonly lagSeconds: number | null;
  /** Until retention may take the first unread record; 0 from then on. Null as well when nothing is unread or kept by time. */
  readonly retentionSecondsLeft: number | null;
  readonly owner: PartitionOwner | null;
}

export interface PartitionOwner {
  readonly memberId: string;
  readonly clientId: string;
  readonly host: string;
}

/** Every partition that the group has committed for or given to a member, by topic and number. */
export async function describeLag(
  client: KafkaClient,
  group: GroupDescription,
  committed: TopicOffsets,
  signal: AbortSignal,
): Promise<readonly PartitionLag[]> {
  const owners = ownersOf(group);
  const names = [...new Set([...committed.keys(), ...owners.keys()])].sort();
  const topics = await findTopics(client, names, signal);
  const retentions = await retentionsOf(client, [...topics.keys()], signal);
  const lags: PartitionLag[] = [];
  for (const name of names) {
    const offsets = committed.get(name) ?? new Map<number, Offset>();
    const owned = owners.get(name) ?? new Map<number, PartitionOwner>();
    const topic = topics.get(name);
    const indexes = [...new Set([...offsets.keys(), ...owned.keys()])].sort((a, b) => a - b);
    const bounds = topic === undefined ? NO_BOUNDS : await boundsOf(client, topic, { indexes, signal });
    const describe = async (partition: number): Promise<PartitionLag> => {
      const place = { topic: name, partition, committedOffset: offsets.get(partition) ?? null };
      const range = { logStartOffset: bounds.starts.get(partition), logEndOffset: bounds.ends.get(partition) };
      const { lagRecords, unreadFrom } = recordLag(place.committedOffset, range);
      const firstMs =
        topic === undefined || unreadFrom === undefined
          ? undefined
          : await firstTimestamp(client, topic, { index: partition, offset: unreadFrom }, signal);
      return {
        ...place,
        logStartOffset: range.logStartOffset ?? null,
        logEndOffset: range.logEndOffset ?? null,
        lagRecords,
        ...timeLag({ lagRecords, firstMs, retentionMs: retentions.get(name), nowMs: client.clock.nowMs() }),
        owner: owned.get(partition) ?? null,
      };
    };
    lags.push(...(await mapInChunks(indexes, CLIENT_LOOK_UPS_AT_ONCE_MAX, describe)));
  }
  return lags;
}

function ownersOf({ members }: GroupDescription): ReadonlyMap<string, ReadonlyMap<number, PartitionOwner>> {
  const owners = new Map<string, Map<number, PartitionOwner>>();
  for (const { memberId, clientId, host, assignments } of members) {
    for (const { topic, partitions } of assignments ?? []) {
      const owned = owners.get(topic) ?? new Map<number, PartitionOwner>();
      owners.set(topic, owned);
      for (const partition of partitions) owned.set(partition, { memberId, clientId, host });
    }
  }
  return owners;
}

interface Bounds {
  readonly starts: ReadonlyMap<number, Offset>;
  readonly ends: ReadonlyMap<number, Offset>;
}

const NO_BOUNDS: Bounds = { starts: new Map(), ends: new Map() };

/** Of those partitions that exist and have a leader. */
async function boundsOf(
  client: KafkaClient,
  topic: TopicMetadata,
  asked: { readonly indexes: readonly number[]; readonly signal: AbortSignal },
): Promise<Bounds> {
  const led = new Set(topic.partitions.filter(({ leaderId }) => leaderId >= 0).map(({ index }) => index));
  const indexes = asked.indexes.filter((index) => led.has(index));
  const onRetry = tellRetries();
  const at = (timestamp: number) => listOffsets(client, topic, { indexes, timestamp, onRetry }, asked.signal);
  const [starts, ends] = await Promise.all([at(ListOffsetsTimestamp.EARLIEST), at(ListOffsetsTimestamp.LATEST)]);
  return { starts, ends };
}

interface Range {
  readonly logStartOffset: Offset | undefined;
  readonly logEndOffset: Offset | undefined;
}

interface RecordLag {
  readonly lagRecords: number | null;
  /** Undefined when nothing is unread. */
  readonly unreadFrom: Offset | undefined;
}

/** What retention has taken unread counts as lag too, as Kafka counts it. */
export function recordLag(committed: Offset | null, { logStartOffset = 0, logEndOffset }: Range): RecordLag {
  if (committed === null || logEndOffset === undefined) return { lagRecords: null, unreadFrom: undefined };
  const from = Math.max(committed, logStartOffset);
  return {
    lagRecords: Math.max(0, logEndOffset - committed),
    unreadFrom: from < logEndOffset ? from : undefined,
  };
}

interface TimeFacts {
  readonly lagRecords: number | null;
  /** The first unread record's timestamp: undefined if there is no such record, -1 if it bears none. */
  readonly firstMs: TimestampMs | undefined;
  /** Undefined where nothing is taken by time. */
  readonly retentionMs: number | undefined;
  readonly nowMs: TimestampMs;
}

export function timeLag({ lagRecords, firstMs, retentionMs, nowMs }: TimeFacts) {
  if (lagRecords === 0) return { lagSeconds: 0, retentionSecondsLeft: null };
  if (firstMs === undefined || firstMs < 0) return { lagSeconds: null, retentionSecondsLeft: null };
  // The producer's clock may be ahead of ours.
  const lagSeconds = Math.max(0, nowMs - firstMs) / 1000;
  const leftMs = retentionMs === undefined ? null : Math.max(0, firstMs + retentionMs - nowMs);
  return { lagSeconds, retentionSecondsLeft: leftMs === null ? null : leftMs / 1000 };
}

/** `retention.ms` of the topics from which time takes records. Nothing of those whose configs we may not see. */
async function retentionsOf(
  client: KafkaClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  if (names.length === 0) return new Map();
  const configurationKeys = ["cleanup.policy", "retention.ms"];
  const resources = names.map((resourceName) => ({
    resourceType: ConfigResourceType.TOPIC,
    resourceName,
    configurationKeys,
  }));
  const answer = await client.send(Apis.DESCRIBE_CONFIGS, { resources }, { signal });
  const retentions = new Map<string, number>();
  for (const { errorCode, resourceName, configs } of answer.results) {
    if (errorCode !== ErrorCode.NONE) continue;
    const values = new Map(configs.map(({ name, value }) => [name, value]));
    const retentionMs = Number(values.get("retention.ms") ?? -1);
    const isDeleting = values
      .get("cleanup.policy")
      ?.split(",")
      .some((each) => each.trim() === "delete");
    if (isDeleting === true && retentionMs >= 0) retentions.set(resourceName, retentionMs);
  }
  return retentions;
}
