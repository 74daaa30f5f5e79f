import { expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { BrokerIdInUseError } from "#lib/cluster/broker-registration.ts";
import { type StartedBroker, startBroker } from "#lib/gateway/start-broker.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { MIB } from "#lib/util/limits.ts";
import { eventually } from "../serve/eventually.ts";

const TIMES = { "broker.heartbeat.interval.ms": "200", "broker.session.timeout.ms": "2000" };
const clock = new SystemClock();

/** Brokers over the same journals and the same three stores. */
class Machine {
  readonly #journals = new MemoryJournalService(clock);
  readonly #objects = [0, 1, 2].map(() => new MemoryObjectService(clock));

  start(brokerId: number): Promise<StartedBroker> {
    const stores = new StoreSet(new Map(this.#objects.map((each, id) => [id, new MemoryObjectStore(each, { clock })])));
    const journal = this.#journals.connect();
    return startBroker(
      { journal, stores, clock, random: new SystemRandom(), logger: SILENT_LOGGER },
      {
        identity: { brokerId, rack: `zone-${brokerId}` },
        startConfigs: parseBrokerConfigs(Object.entries(TIMES)),
        append: DEFAULT_APPEND_SETTINGS,
        tailCacheBytesMax: MIB,
        blockCacheBytesMax: MIB,
        journalPollMs: 20,
        listeners: [
          { name: "INSIDE", host: "127.0.0.1", port: 0 },
          { name: "OUTSIDE", host: "127.0.0.1", port: 0, advertisedHost: "broker.example", advertisedPort: 9092 },
        ],
        drainMs: 500,
      },
    );
  }
}

function leaders({ services }: StartedBroker): readonly number[] {
  return services.journals.allOpened().map(({ state }) => state.leader.brokerId);
}

test("a broker is registered under what its clients are told, at its home store, and leads", async () => {
  const broker = await new Machine().start(4);
  await broker.joined;
  expect(broker.services.cluster.runningBroker(4)).toMatchObject({
    storeId: 1,
    rack: "zone-4",
    endpoints: [
      { name: "INSIDE", host: "127.0.0.1", port: broker.listeners[0]?.port },
      { name: "OUTSIDE", host: "broker.example", port: 9092 },
    ],
  });
  await eventually(
    () => broker.isSettled(1),
    (isSettled) => isSettled,
  );
  expect(new Set(leaders(broker))).toEqual(new Set([4]));
  expect(await broker.isSettled(2)).toBe(false);
  await broker.stop();
});

test("a broker that stops leaves what it led to the others, which are settled then", async () => {
  const machine = new Machine();
  const brokers = [await machine.start(0), await machine.start(1), await machine.start(2)] as const;
  for (const broker of brokers) {
    await eventually(
      () => broker.isSettled(3),
      (isSettled) => isSettled,
    );
  }
  expect(leaders(brokers[1])).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
  await brokers[0].stop();
  await eventually(
    () => leaders(brokers[1]),
    (found) => !found.includes(0),
  );
  expect(brokers[1].services.cluster.runningBrokers().map(({ brokerId }) => brokerId)).toEqual([1, 2]);
  await Promise.all([brokers[1].stop(), brokers[2].stop()]);
});

test("a broker whose id is another's fails with whose it is, and that one goes on", async () => {
  const machine = new Machine();
  const first = await machine.start(0);
  await first.joined;
  const second = await machine.start(0);
  const error = await second.failed;
  expect(error).toBeInstanceOf(BrokerIdInUseError);
  expect(error.message).toContain(`127.0.0.1:${first.listeners[0]?.port}`);
  await second.stop();
  expect(first.services.cluster.runningBroker(0)).toBeDefined();
  await first.stop();
});
