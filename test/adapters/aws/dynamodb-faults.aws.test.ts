import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { DynamoDbJournal } from "#lib/adapters/aws/dynamodb-journal.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { type JournalId, journalId } from "#lib/util/branded.ts";
import { FaultProxy } from "../../localstack/faults/proxy.ts";
import { add, counterMachine } from "../../support/counter-machine.ts";
import {
  clock,
  dynamoDbEndpoint,
  hasDynamoDb,
  makeTable,
  never,
  type Reached,
  reachJournal,
  uniqueName,
} from "./emulator.ts";

const PUT = "DynamoDB_20120810.PutItem";
const bytes = Buffer.from("ours");

describe.runIf(hasDynamoDb)("DynamoDbJournal behind a bad network", () => {
  let proxy: FaultProxy;
  let reached: Reached<DynamoDbJournal>;
  let journal: DynamoDbJournal;
  let id: JournalId;

  beforeAll(async () => {
    proxy = await FaultProxy.start({ target: dynamoDbEndpoint() });
    reached = await reachJournal({ table: await makeTable(), endpoint: proxy.url, callMsMax: 2_000 });
    journal = reached.port;
  });
  beforeEach(() => {
    proxy.clear();
    id = journalId(uniqueName());
  });
  afterAll(async () => {
    reached.close();
    await proxy[Symbol.asyncDispose]();
  });

  const append = (own: Uint8Array = bytes) => journal.append(id, 1, own, never);

  test("an append whose answer was lost meets its own bytes when it is sent again", async () => {
    proxy.add({ match: PUT, fault: "lose-answer", times: 1 });
    await expect(append()).rejects.toMatchObject({ name: "JournalUnavailableError", throttled: false });
    const again = await append();
    expect(again.kind === "conflict" && Buffer.from(again.existing)).toEqual(bytes);
  });

  test("an append that was lost is done when it is sent again", async () => {
    proxy.add({ match: PUT, fault: "lose-request", times: 1 });
    await expect(append()).rejects.toMatchObject({ throttled: false });
    expect((await append()).kind).toBe("appended");
  });

  test("an append that lands late meets the one that was faster, and changes nothing", async () => {
    proxy.add({ match: PUT, fault: "write-late", afterMs: 400, times: 1 });
    await expect(append(Buffer.from("late"))).rejects.toMatchObject({ throttled: false });
    expect((await append()).kind).toBe("appended");
    await proxy.settled();
    expect(Buffer.from((await journal.last(id, never)).records[0]?.bytes ?? [])).toEqual(bytes);
  });

  test("a throttled append asks for a back-off, a failed one does not", async () => {
    proxy.add({ match: PUT, fault: "refuse", code: "ProvisionedThroughputExceededException", times: 1 });
    await expect(append()).rejects.toMatchObject({ throttled: true });
    proxy.add({ match: PUT, fault: "refuse", code: "InternalServerError", times: 1 });
    await expect(append()).rejects.toMatchObject({ throttled: false });
    expect((await append()).kind).toBe("appended");
  });

  test("an append into silence is given up in time", async () => {
    proxy.add({ match: PUT, fault: "hang" });
    const beganMs = clock.monotonicMs();
    await expect(append()).rejects.toThrow("no answer within 2000 ms");
    expect(clock.monotonicMs() - beganMs).toBeLessThan(6_000);
  });

  test("an answer that is cut in the middle is no answer", async () => {
    await append();
    proxy.add({ match: "Query", fault: "cut-answer", afterBytes: 20, times: 1 });
    await expect(journal.last(id, never)).rejects.toMatchObject({ name: "JournalUnavailableError" });
    expect((await journal.last(id, never)).records).toHaveLength(1);
  });
});

describe.runIf(hasDynamoDb)("processes that share a journal behind bad networks", () => {
  test("count every acknowledged command once, every unknown one at most once, and agree", async () => {
    await using closing = new AsyncDisposableStack();
    const table = await makeTable();
    const objects = new MemoryJournalObjects();
    const openState = async (endpoint?: string) => {
      const reached = await reachJournal({ table, callMsMax: 3_000, ...(endpoint === undefined ? {} : { endpoint }) });
      closing.defer(reached.close);
      const state = new ReplicatedState({
        id: journalId("counters"),
        machine: counterMachine(),
        journal: reached.port,
        objects,
        clock,
        random: new SystemRandom(),
        logger: SILENT_LOGGER,
      });
      closing.defer(() => state.close());
      await state.open(never);
      return state;
    };
    const acknowledged: string[] = [];
    const unknown: string[] = [];
    const writers = await Promise.all(
      [0, 1, 2].map(async () => {
        const proxy = closing.use(await FaultProxy.start({ target: dynamoDbEndpoint() }));
        const state = await openState(proxy.url);
        proxy.set(
          { match: PUT, fault: "lose-answer", probability: 0.08 },
          { match: PUT, fault: "lose-request", probability: 0.08 },
          { match: PUT, fault: "write-late", afterMs: 150, probability: 0.08 },
          { match: PUT, fault: "refuse", code: "ThrottlingException", probability: 0.08 },
          { match: "Query", fault: "lose-answer", probability: 0.05 },
          { fault: "delay", delayMs: [0, 30], probability: 0.3 },
        );
        return state;
      }),
    );
    await Promise.all(
      writers.flatMap((state, writer) =>
        Array.from({ length: 40 }, async (_, index) => {
          const name = `${writer}-${index}`;
          try {
            await state.propose(add(name), { lane: name, signal: never });
            acknowledged.push(name);
          } catch (error) {
            expect(error).toBeInstanceOf(UnknownOutcomeError);
            unknown.push(name);
          }
        }),
      ),
    );
    const reader = await openState();
    for (const name of acknowledged) expect([name, reader.state.counters.get(name)]).toEqual([name, 1]);
    for (const name of unknown) expect(reader.state.counters.get(name) ?? 0).toBeLessThanOrEqual(1);
    expect(acknowledged.length).toBeGreaterThan(100);
    for (const state of writers) {
      await state.readBarrier(never);
      expect(state.checksum).toBe(reader.checksum);
    }
  });
});
