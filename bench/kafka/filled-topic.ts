import { newTopic } from "./client.ts";
import type { Running } from "./contestants.ts";
import type { KafkaContext } from "./group.ts";
import { producePerformance } from "./producer-performance.ts";
import { KIBIBYTE, WARM_UP_SHARE } from "./sizes.ts";

export const FILLED_PARTITIONS = 6;
export const FILLED_RECORD_BYTES = KIBIBYTE;

/** A broker with a topic that is full. */
export interface Filled extends Running {
  readonly topic: string;
  readonly records: number;
}

/** Fills a new topic with what the rows about consuming read. */
export async function fillTopic(running: Running, { sizes, isSmall }: KafkaContext): Promise<Filled> {
  const { broker } = running;
  const topic = await newTopic(broker, FILLED_PARTITIONS);
  const records = Math.round(sizes.consumeBytes / FILLED_RECORD_BYTES);
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  const load = { topic, recordBytes: FILLED_RECORD_BYTES, throughput: -1, lingerMs: 5, isSmall };
  await producePerformance(broker.address, { ...load, records: records - warmUpRecords, warmUpRecords });
  return { ...running, topic, records };
}
