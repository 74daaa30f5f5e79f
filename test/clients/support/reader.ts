import { Consumer, type FetchOptions, type RecordsBatch } from "@platformatic/kafka";

export interface ReadRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string | null, string | null])[];
  readonly timestampMs: number;
}

type FetchTopic = FetchOptions<Buffer, Buffer, Buffer, Buffer>["topics"][number];

interface Position {
  offset: number;
  isAtEnd: boolean;
  readonly records: ReadRecord[];
}

/** Reads a whole topic with @platformatic/kafka by plain fetches (and its fetch session): records by partition.
 * `onBatch` sees every batch as it came, perhaps one more than once. */
export async function readTopic(
  address: string,
  topic: string,
  onBatch: (batch: RecordsBatch) => void = () => {},
): Promise<readonly (readonly ReadRecord[])[]> {
  const consumer = new Consumer({ clientId: "client-checks", groupId: "unused", bootstrapBrokers: [address] });
  try {
    const metadata = await consumer.metadata({ topics: [topic] });
    const about = metadata.topics.get(topic);
    if (about === undefined) throw new Error(`no metadata for ${topic}`);
    const positions = about.partitions.map((): Position => ({ offset: 0, isAtEnd: false, records: [] }));
    const node = about.partitions[0]?.leader ?? 0;
    while (positions.some((position) => !position.isAtEnd)) {
      const topics = [requestFor(about.id, positions)];
      const response = await consumer.fetch({ node, topics, maxWaitTime: 100, minBytes: 1, maxBytes: 8_388_608 });
      const answered = new Set<number>();
      for (const partition of response.responses.flatMap((one) => one.partitions)) {
        const position = positions[partition.partitionIndex];
        if (position === undefined) throw new Error(`an answer for partition ${partition.partitionIndex}`);
        answered.add(partition.partitionIndex);
        const batches = partition.records ?? [];
        batches.forEach(onBatch);
        take(position, batches);
        position.isAtEnd = position.offset >= Number(partition.highWatermark);
        // The log end must be reached by records that come back, never by silence.
        if (batches.length === 0 && !position.isAtEnd) answered.delete(partition.partitionIndex);
      }
      // A session answers only for partitions with news; with none left there are no more records.
      if (answered.size === 0) break;
    }
    return positions.map((position) => position.records);
  } finally {
    await consumer.close(true);
  }
}

function requestFor(topicId: string, positions: readonly Position[]): FetchTopic {
  const partitions = positions.map(({ offset }, partition) => ({
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1_048_576,
  }));
  return { topicId, partitions };
}

function take(position: Position, batches: readonly RecordsBatch[]): void {
  for (const batch of batches) {
    for (const record of batch.records) {
      const offset = Number(batch.firstOffset) + record.offsetDelta;
      // A fetch may start inside a batch; what lies before it was asked for by nobody.
      if (offset < position.offset) continue;
      position.records.push({
        offset,
        key: record.key?.toString() ?? null,
        value: record.value?.toString() ?? null,
        headers: record.headers.map(([key, value]) => [key?.toString() ?? null, value?.toString() ?? null] as const),
        timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
      });
    }
    position.offset = Math.max(position.offset, Number(batch.firstOffset) + batch.lastOffsetDelta + 1);
  }
}
