import { expect, test } from "vitest";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { OVERLAPPING_REQUESTS_MAX } from "#lib/util/limits.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";

// Commits that a client sends without waiting for the answers, over a connection.

const COUNT = 3 * OVERLAPPING_REQUESTS_MAX;

/** A journal that loses the answer to every third append, so that it is sent again. */
function shakyJournal(): MemoryJournal {
  let calls = 0;
  const next = ({ method }: { readonly method: string }) =>
    method === "append" && calls++ % 3 === 1 ? ({ kind: "lost-answer" } as const) : undefined;
  return new MemoryJournal(new MemoryJournalService(new SystemClock()), { next }, "broker-0");
}

async function commit(connection: KafkaConnection, offset: number): Promise<number | undefined> {
  const topics = [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: "" }] }];
  const request = { groupId: "g", memberId: "", generationIdOrMemberEpoch: -1, topics };
  return (await connection.send(Apis.OFFSET_COMMIT, 8, request)).topics[0]?.partitions[0]?.errorCode;
}

async function committed(connection: KafkaConnection): Promise<number | undefined> {
  const groups = [{ groupId: "g", topics: null }];
  const answer = await connection.send(Apis.OFFSET_FETCH, 8, { groups, requireStable: true });
  return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset;
}

test("count in the order in which they were sent, and who asks behind them is told the last one", async () => {
  await using memory = await startMemoryBroker({ journal: shakyJournal() });
  await using connection = await memory.connect();
  const topics = [{ name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
  await connection.send(Apis.CREATE_TOPICS, 7, { topics, timeoutMs: 5_000, validateOnly: false });
  for (const top of [COUNT, 1_000_000]) {
    const answers = Array.from({ length: COUNT }, (_, at) => commit(connection, top - at));
    expect(await committed(connection)).toBe(top - COUNT + 1);
    expect(new Set(await Promise.all(answers))).toEqual(new Set([ErrorCode.NONE]));
  }
});

test("of a client that goes away in the middle do not come after those of others that follow", async () => {
  await using memory = await startMemoryBroker({ journal: shakyJournal() });
  const leaving = await memory.connect();
  await using staying = await memory.connect();
  const topics = [{ name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
  await staying.send(Apis.CREATE_TOPICS, 7, { topics, timeoutMs: 5_000, validateOnly: false });
  const many = () => Promise.allSettled(Array.from({ length: COUNT }, (_, at) => commit(leaving, at + 1)));
  const early = many();
  expect(await commit(leaving, 0)).toBe(ErrorCode.NONE);
  const late = many();
  await leaving.close();
  await Promise.all([early, late]);
  await expect.poll(() => memory.server.connectionCount).toBe(1);
  expect(await commit(staying, 7_777)).toBe(ErrorCode.NONE);
  expect(await commit(staying, 8_888)).toBe(ErrorCode.NONE);
  expect(await committed(staying)).toBe(8_888);
  expect(memory.log.filter(({ level }) => level === "error")).toEqual([]);
});
