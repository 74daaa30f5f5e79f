import { expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { assembleBroker, type Broker } from "#lib/broker/assemble-broker.ts";
import type { Journal } from "#lib/journal/journal.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { journalOfPartition } from "#lib/log/partition-directory.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { MIB } from "#lib/util/limits.ts";
import { batchOf } from "../serve/kafka-calls.ts";

const NEVER = new AbortController().signal;
const clock = new SystemClock();

/** A deployment, and what each of its processes asks of it, as `method journal`. */
class Deployment {
  readonly #journals = new MemoryJournalService(clock);
  readonly #objects = new MemoryObjectService(clock);
  calls: string[] = [];

  async start(options: { readonly isOnDemand: boolean }): Promise<Broker> {
    const store = new MemoryObjectStore(this.#objects, { clock });
    return await assembleBroker(
      {
        journal: this.#countedJournal(),
        stores: new StoreSet(new Map([[0, this.#countedStore(store)]])),
        clock,
        random: new SystemRandom(),
        logger: SILENT_LOGGER,
        snapshotRecordsMin: 1,
      },
      {
        identity: { brokerId: 0, rack: null },
        startConfigs: new Map(),
        append: DEFAULT_APPEND_SETTINGS,
        tailCacheBytesMax: MIB,
        blockCacheBytesMax: 32 * MIB,
        journalPollMs: 20,
        ...options,
      },
    );
  }

  #countedJournal(): Journal {
    const journal = this.#journals.connect();
    return {
      append: (id, ...rest) => this.#counted(`append ${id}`, () => journal.append(id, ...rest)),
      read: (id, ...rest) => this.#counted(`read ${id}`, () => journal.read(id, ...rest)),
      last: (id, ...rest) => this.#counted(`last ${id}`, () => journal.last(id, ...rest)),
      trim: (id, ...rest) => this.#counted(`trim ${id}`, () => journal.trim(id, ...rest)),
    };
  }

  #countedStore(store: ObjectStore): ObjectStore {
    return {
      putIfAbsent: (...given) => this.#counted("put", () => store.putIfAbsent(...given)),
      get: (...given) => this.#counted("get", () => store.get(...given)),
      getRange: (...given) => this.#counted("get range", () => store.getRange(...given)),
      list: (...given) => this.#counted("list", () => store.list(...given)),
      deleteAll: (...given) => this.#counted("delete", () => store.deleteAll(...given)),
    };
  }

  #counted<T>(call: string, run: () => T): T {
    this.calls.push(call);
    return run();
  }
}

async function createTopic({ services }: Broker, name: string, partitionCount: number): Promise<void> {
  const topic = { name, partitionCount, replicationFactor: -1, configs: new Map() };
  const result = await services.topicAdmin.createTopic(topic, { validateOnly: false, signal: NEVER });
  expect(result.kind).toBe("done");
}

async function append({ services }: Broker, name: string, partitionIndex = 0): Promise<string> {
  const topic = defined(services.cluster.topicByName(name)).placement;
  const bytes = batchOf(["a"]);
  const header = readBatchHeader(bytes);
  const options = { signal: NEVER, requireMinInsync: true };
  const [answer] = await services.appender.append([{ topic, partitionIndex, header, bytes }], options);
  return defined(answer).kind;
}

/** A topic whose partition 0 has been written to; the name of its journal. */
async function deploymentWithTopic(): Promise<{ readonly deployment: Deployment; readonly journal: string }> {
  const deployment = new Deployment();
  const first = await deployment.start({ isOnDemand: true });
  await createTopic(first, "orders", 12);
  expect(await append(first, "orders")).toBe("appended");
  const topic = defined(first.services.cluster.topicByName("orders")).placement;
  await first.stop(AbortSignal.timeout(500));
  deployment.calls = [];
  return { deployment, journal: `log-${journalOfPartition(topic, 0)}` };
}

test("a cold produce reads one snapshot pointer and one page of each journal that it touches, and puts one record", async () => {
  const { deployment, journal } = await deploymentWithTopic();
  const cold = await deployment.start({ isOnDemand: true });
  expect(await append(cold, "orders")).toBe("appended");
  expect(deployment.calls).toEqual([
    "last cluster/snapshots",
    "read cluster",
    `last ${journal}/snapshots`,
    `read ${journal}`,
    `append ${journal}`,
  ]);
  await cold.stop(AbortSignal.timeout(500));
});

test("with snapshots it reads one object for each of these journals too", async () => {
  const { deployment, journal } = await deploymentWithTopic();
  const housekeeper = await deployment.start({ isOnDemand: true });
  expect(await housekeeper.chores.tendJournals(NEVER)).toBe(2);
  await housekeeper.stop(AbortSignal.timeout(500));
  deployment.calls = [];
  const cold = await deployment.start({ isOnDemand: true });
  expect(await append(cold, "orders")).toBe("appended");
  expect(deployment.calls).toEqual([
    "last cluster/snapshots",
    "get",
    "read cluster",
    `last ${journal}/snapshots`,
    "get",
    `read ${journal}`,
    `append ${journal}`,
  ]);
  await cold.stop(AbortSignal.timeout(500));
});

test("a warm produce costs one conditional put and nothing else", async () => {
  const { deployment, journal } = await deploymentWithTopic();
  const warm = await deployment.start({ isOnDemand: true });
  await append(warm, "orders");
  deployment.calls = [];
  expect(await append(warm, "orders")).toBe("appended");
  expect(deployment.calls).toEqual([`append ${journal}`]);
  await warm.stop(AbortSignal.timeout(500));
});

test("a housekeeper that has tended all journals reads one page of each when it comes again, and finds nothing", async () => {
  const { deployment } = await deploymentWithTopic();
  const housekeeper = await deployment.start({ isOnDemand: true });
  expect(await housekeeper.chores.tendJournals(NEVER)).toBe(2);
  deployment.calls = [];
  expect(await housekeeper.chores.tendJournals(NEVER)).toBe(0);
  const journals = ["cluster", ...numbered("log", 12), ...numbered("group", 4)];
  expect(deployment.calls.toSorted()).toEqual(journals.map((name) => `read ${name}`).toSorted());
  await housekeeper.stop(AbortSignal.timeout(500));
});

test("what other processes have written is seen after catching up, in the journals that are open", async () => {
  const { deployment, journal } = await deploymentWithTopic();
  const sleeper = await deployment.start({ isOnDemand: true });
  await append(sleeper, "orders");
  const other = await deployment.start({ isOnDemand: true });
  await createTopic(other, "prices", 1);
  expect(sleeper.services.cluster.topicByName("prices")).toBeUndefined();
  deployment.calls = [];
  await sleeper.chores.catchUp("opened", NEVER);
  expect(sleeper.services.cluster.topicByName("prices")).toBeDefined();
  expect(deployment.calls.toSorted()).toEqual(["read cluster", `read ${journal}`]);
  deployment.calls = [];
  await sleeper.chores.catchUp("cluster", NEVER);
  expect(deployment.calls).toEqual(["read cluster"]);
  await Promise.all([sleeper, other].map((broker) => broker.stop(AbortSignal.timeout(500))));
});

test("nothing is asked of anybody between two calls", async () => {
  const { deployment } = await deploymentWithTopic();
  const idle = await deployment.start({ isOnDemand: true });
  await append(idle, "orders");
  deployment.calls = [];
  await clock.sleep(150);
  expect(deployment.calls).toEqual([]);
  await idle.stop(AbortSignal.timeout(500));
});

function numbered(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}
