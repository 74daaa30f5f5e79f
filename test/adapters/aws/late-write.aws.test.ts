import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, test, vi } from "vitest";
import { DynamoDbJournal } from "#lib/adapters/aws/dynamodb-journal.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { NO_LEDGER } from "#lib/runtime/ledger.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { journalId } from "#lib/util/branded.ts";
import { TRIM_DELAY_MS } from "#lib/util/limits.ts";
import { FaultProxy } from "../../localstack/faults/proxy.ts";
import { add, counterMachine } from "../../support/counter-machine.ts";
import { clock, dynamoDbClient, dynamoDbEndpoint, hasDynamoDb, makeTable, never } from "./emulator.ts";

const JOURNAL = journalId("counters");
const SNAPSHOT_RECORDS = 4;

/** A day that passes for all clients at once, for their own clocks and for the service's: only here it takes no time. */
class Days {
  readonly #clients: DynamoDBClient[] = [];
  #passedMs = 0;

  attach(client: DynamoDBClient): void {
    const { requestHandler } = client.config;
    const handle = requestHandler.handle.bind(requestHandler);
    requestHandler.handle = async (request, options) => {
      const answer = await handle(request, options);
      const { headers } = answer.response;
      headers["date"] = new Date(Date.parse(headers["date"] ?? "") + this.#passedMs).toUTCString();
      return answer;
    };
    this.#clients.push(client);
  }

  pass(ms: number): void {
    this.#passedMs += ms;
    for (const { config } of this.#clients) config.systemClockOffset += ms;
  }
}

class World implements AsyncDisposable {
  readonly days = new Days();
  readonly objects = new MemoryJournalObjects();
  readonly closing = new AsyncDisposableStack();
  readonly #table: string;

  static async make(): Promise<World> {
    return new World(await makeTable());
  }

  private constructor(table: string) {
    this.#table = table;
  }

  async journal(endpoint?: string): Promise<DynamoDbJournal> {
    const client = dynamoDbClient(endpoint);
    this.closing.defer(() => client.destroy());
    this.days.attach(client);
    return DynamoDbJournal.open({
      client,
      table: this.#table,
      clock,
      ledger: NO_LEDGER,
      callMsMax: 1_500,
      signal: never,
    });
  }

  async open(endpoint?: string) {
    const state = new ReplicatedState({
      id: JOURNAL,
      machine: counterMachine(),
      journal: await this.journal(endpoint),
      objects: this.objects,
      clock,
      random: new SystemRandom(),
      logger: SILENT_LOGGER,
      snapshotRecordsMin: SNAPSHOT_RECORDS,
    });
    this.closing.defer(() => state.close());
    await state.open(never);
    return state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closing[Symbol.asyncDispose]();
  }
}

type State = Awaited<ReturnType<World["open"]>>;

async function snapshotAfterMore(state: State): Promise<void> {
  // Wide enough that the bytes since the last snapshot make the next one due as well.
  for (let n = 0; n < SNAPSHOT_RECORDS; n++) await state.propose(add("fill", 1, Buffer.alloc(400)), inLane());
  expect(await state.takeSnapshot(never)).toBe(true);
}

const inLane = () => ({ lane: "x", signal: never });

describe.runIf(hasDynamoDb)("a number that a trim has freed (J6), where the service knows no trim mark", () => {
  test("is not won by an append that lands there a day late, nor by its resend", async () => {
    await using world = await World.make();
    const proxy = world.closing.use(await FaultProxy.start({ target: dynamoDbEndpoint() }));
    const writer = await world.open();
    await snapshotAfterMore(writer);
    const sleeper = await world.open(proxy.url);
    const late = sleeper.seq + 1;
    // The first try is on its way for long; the next ones get no answer while the day passes.
    proxy.set(
      { match: "PutItem", fault: "write-late", afterMs: 3_000, times: 1 },
      { match: "PutItem", fault: "hang", times: 1 },
      { match: "PutItem", fault: "refuse", code: "InternalServerError" },
    );
    const outcome = sleeper.propose(add("late"), inLane()).catch((error: unknown) => error);
    await snapshotAfterMore(writer);
    await snapshotAfterMore(writer);
    world.days.pass(TRIM_DELAY_MS + 60_000);
    await writer.propose(add("fill"), inLane());
    expect(await writer.trim(never)).toBeGreaterThanOrEqual(late);
    const bare = await world.journal();
    const first = async () => {
      const options = { from: 1, recordsMax: 1, bytesMax: 1, consistency: "strong" } as const;
      return (await bare.read(JOURNAL, options, never)).records[0]?.seq;
    };
    // It stands there now, at a number that everybody else is past.
    await vi.waitFor(async () => expect(await first()).toBe(late), { timeout: 10_000, interval: 100 });
    proxy.clear();
    expect(await outcome).toBeInstanceOf(UnknownOutcomeError);
    await sleeper.readBarrier(never);
    expect(sleeper.state.counters.has("late")).toBe(false);
    expect(sleeper.checksum).toBe(writer.checksum);
    const fresh = await world.open();
    expect(fresh.checksum).toBe(writer.checksum);
    // Both go on, and the next trim takes the late one away.
    expect(await sleeper.propose(add("again"), inLane())).toMatchObject({ outcome: { value: 1 } });
    await writer.trim(never);
    expect(await first()).toBeGreaterThan(late);
  });

  test("is in doubt for a process that slept for a day and finds it free", async () => {
    await using world = await World.make();
    const writer = await world.open();
    await snapshotAfterMore(writer);
    const sleeper = await world.open();
    await snapshotAfterMore(writer);
    await snapshotAfterMore(writer);
    world.days.pass(TRIM_DELAY_MS + 60_000);
    await writer.propose(add("fill"), inLane());
    expect(await writer.trim(never)).toBeGreaterThan(sleeper.seq);
    await expect(sleeper.propose(add("late"), inLane())).rejects.toBeInstanceOf(UnknownOutcomeError);
    expect(await sleeper.propose(add("late"), inLane())).toMatchObject({ outcome: { value: 1 } });
    await writer.readBarrier(never);
    expect(sleeper.checksum).toBe(writer.checksum);
  });
});
