import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { createTopic } from "../serve/kafka-calls.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";

test("a partition asked for twice under one topic named twice is an invalid request, the others are answered", async () => {
  await using memory = await startMemoryBroker();
  const connection = await memory.connect();
  await createTopic(connection, "twice", 2);
  const { topics } = await connection.send(Apis.LIST_OFFSETS, 5, {
    isolationLevel: 0,
    topics: [
      { name: "twice", partitions: [{ partitionIndex: 0, timestamp: -1 }] },
      {
        name: "twice",
        partitions: [
          { partitionIndex: 0, timestamp: -1 },
          { partitionIndex: 1, timestamp: -1 },
        ],
      },
    ],
  });
  const codes = topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  expect(codes).toEqual([ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST, ErrorCode.NONE]);
  await connection.close();
});
