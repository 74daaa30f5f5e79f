import {
  apiVersionsV3,
  Connection,
  fetchV4,
  fetchV5,
  fetchV6,
  fetchV7,
  fetchV8,
  fetchV9,
  fetchV10,
  fetchV11,
  fetchV12,
  fetchV13,
  fetchV14,
  fetchV15,
  fetchV16,
  fetchV17,
  listOffsetsV1,
  listOffsetsV2,
  listOffsetsV3,
  listOffsetsV4,
  listOffsetsV5,
  listOffsetsV6,
  listOffsetsV7,
  listOffsetsV8,
  listOffsetsV9,
  metadataV0,
  metadataV1,
  metadataV2,
  metadataV3,
  metadataV4,
  metadataV5,
  metadataV6,
  metadataV7,
  metadataV8,
  metadataV9,
  metadataV10,
  metadataV11,
  metadataV12,
  produceV3,
  produceV4,
  produceV5,
  produceV6,
  produceV7,
  produceV8,
  produceV9,
  produceV10,
  produceV11,
} from "@platformatic/kafka";
import type { Broker } from "../support/broker.ts";

// The versions of each API that the client can speak, oldest first. A client picks the highest that both sides know,
// so old ones run only when they are asked for by name.

export const PRODUCE = [
  produceV3,
  produceV4,
  produceV5,
  produceV6,
  produceV7,
  produceV8,
  produceV9,
  produceV10,
  produceV11,
] as const;
export const METADATA = [
  metadataV0,
  metadataV1,
  metadataV2,
  metadataV3,
  metadataV4,
  metadataV5,
  metadataV6,
  metadataV7,
  metadataV8,
  metadataV9,
  metadataV10,
  metadataV11,
  metadataV12,
] as const;
export const LIST_OFFSETS = [
  listOffsetsV1,
  listOffsetsV2,
  listOffsetsV3,
  listOffsetsV4,
  listOffsetsV5,
  listOffsetsV6,
  listOffsetsV7,
  listOffsetsV8,
  listOffsetsV9,
] as const;
/** Up to 12 a topic goes by its name, from 13 by its id. */
export const FETCH_BY_NAME = [
  fetchV4,
  fetchV5,
  fetchV6,
  fetchV7,
  fetchV8,
  fetchV9,
  fetchV10,
  fetchV11,
  fetchV12,
] as const;
export const FETCH_BY_ID = [fetchV13, fetchV14, fetchV15, fetchV16, fetchV17] as const;

/** The version range that the broker names for each API key. */
export async function versionsOf(connection: Connection): Promise<ReadonlyMap<number, readonly [number, number]>> {
  const answer = await apiVersionsV3.api.async(connection, "millrace-checks", "1");
  return new Map(answer.apiKeys.map((one) => [one.apiKey, [one.minVersion, one.maxVersion] as const]));
}

export async function connectTo(broker: Broker): Promise<Connection> {
  const connection = new Connection("versions");
  await connection.connect(broker.host, broker.port);
  return connection;
}
