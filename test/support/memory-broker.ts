import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { ApiRouter } from "#lib/broker/api-router.ts";
import { assembleBroker, type Broker } from "#lib/broker/assemble-broker.ts";
import { BROKER_HANDLERS } from "#lib/broker/handlers.ts";
import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { type BoundListener, KafkaServer, type ListenerSettings } from "#lib/gateway/kafka-server.ts";
import type { Journal } from "#lib/journal/journal.ts";
import { type AppendSettings, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { LogFields, Logger } from "#lib/runtime/logger.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { MIB, REQUEST_BYTES_MAX } from "#lib/util/limits.ts";

export interface MemoryBrokerOptions {
  /** Default 0. */
  readonly brokerId?: number;
  readonly listeners?: readonly ListenerSettings[];
  readonly brokerConfigs?: Readonly<Record<string, string>>;
  readonly requestBytesMax?: number;
  readonly connectionIdleMsMax?: number;
  /** In place of the journals in memory. */
  readonly journal?: Journal;
  /** In place of store 0 in memory. */
  readonly store?: ObjectStore;
  /** Default 1. */
  readonly storeCount?: number;
  /** In place of all stores in memory. */
  readonly stores?: ReadonlyMap<number, ObjectStore>;
  /** Default none. */
  readonly rack?: string;
  readonly append?: Partial<AppendSettings>;
  /** In place of the host's. */
  readonly clock?: Clock;
}

export interface LoggedLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** A whole broker in this process, its journals and stores in memory, behind a real port. */
export interface MemoryBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly server: KafkaServer;
  readonly listeners: readonly BoundListener[];
  readonly port: number;
  readonly log: readonly LoggedLine[];
  /** A negotiated connection to the first listener. */
  connect(): Promise<KafkaConnection>;
}

export async function startMemoryBroker(options: MemoryBrokerOptions = {}): Promise<MemoryBroker> {
  const { clock = new SystemClock() } = options;
  const random = new SystemRandom();
  const log: LoggedLine[] = [];
  const logger = collectingLogger(log);
  const journal = options.journal ?? new MemoryJournal(new MemoryJournalService(clock), NO_JOURNAL_FAULTS, "broker-0");
  const store = options.store ?? new MemoryObjectStore(new MemoryObjectService(clock), { clock });
  const others = Array.from({ length: (options.storeCount ?? 1) - 1 }, (_, at) => {
    return [at + 1, new MemoryObjectStore(new MemoryObjectService(clock), { clock })] as const;
  });
  const stores = new StoreSet(options.stores ?? new Map([[0, store], ...others]));
  const broker = await assembleBroker(
    { journal, stores, clock, random, logger },
    {
      identity: { brokerId: options.brokerId ?? 0, rack: options.rack ?? null },
      startConfigs: parseBrokerConfigs(Object.entries(options.brokerConfigs ?? {})),
      append: { ...DEFAULT_APPEND_SETTINGS, ...options.append },
      tailCacheBytesMax: 16 * MIB,
      blockCacheBytesMax: 32 * MIB,
      journalPollMs: 20,
    },
  );
  const server = new KafkaServer(
    {
      listeners: options.listeners ?? [{ name: "PLAINTEXT", host: "127.0.0.1", port: 0 }],
      requestBytesMax: options.requestBytesMax ?? REQUEST_BYTES_MAX,
      connectionsMax: 1_000,
      connectionIdleMsMax: options.connectionIdleMsMax ?? 60_000,
    },
    { router: new ApiRouter(BROKER_HANDLERS, broker.services), logger },
  );
  const listeners = await server.start();
  const { port } = defined(listeners[0]);
  return {
    broker,
    server,
    listeners,
    port,
    log,
    async connect() {
      const connection = await KafkaConnection.open({ host: "127.0.0.1", port, clientId: "test" });
      await connection.negotiate();
      return connection;
    },
    async [Symbol.asyncDispose]() {
      const soon = AbortSignal.timeout(500);
      await server.stop(soon);
      await broker.stop(soon);
    },
  };
}

function collectingLogger(lines: LoggedLine[]): Logger {
  const at =
    (level: LoggedLine["level"]) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields });
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
