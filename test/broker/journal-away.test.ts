import { expect, test } from "vitest";
import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { batchOf } from "../serve/kafka-calls.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";

test("while the journals do not answer, an unknown topic is a storage error and the connection stays", async () => {
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), NO_JOURNAL_FAULTS, "broker-0");
  await using memory = await startMemoryBroker({ journal });
  const connection = await memory.connect();
  journal.kill();
  const produced = await connection.send(Apis.PRODUCE, 9, {
    acks: -1,
    timeoutMs: 5_000,
    topicData: [{ name: "nobody-knows", partitionData: [{ index: 0, records: batchOf(["a"]) }] }],
  });
  expect(produced.responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  const listed = await connection.send(Apis.LIST_OFFSETS, 5, {
    isolationLevel: 0,
    topics: [{ name: "nobody-knows", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  });
  expect(listed.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  expect(connection.isOpen).toBe(true);
  await connection.close();
});

test("while the journals do not answer, clients look for another coordinator and the connection stays", async () => {
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), NO_JOURNAL_FAULTS, "broker-0");
  await using memory = await startMemoryBroker({ journal });
  const connection = await memory.connect();
  journal.kill();
  const fetched = await connection.send(Apis.OFFSET_FETCH, 7, { groupId: "readers", topics: null });
  expect(fetched.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  expect(connection.isOpen).toBe(true);
  await connection.close();
});
