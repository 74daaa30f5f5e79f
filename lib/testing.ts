/// <reference lib="esnext.disposable" preserve="true" />
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { BrokerConfigError, parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { formatHostPort } from "#lib/config/host-port.ts";
import { type StartedBroker, startBroker } from "#lib/gateway/start-broker.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { type Logger, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { LogError } from "#lib/util/errors.ts";
import { JOURNAL_POLL_MS, MIB, TEST_BROKER_DRAIN_MS } from "#lib/util/limits.ts";

// What `import "millrace/testing"` answers: a whole broker in the process that asks for one. Its declarations are all
// that the package ships of ours, so the types of what is exported here come from this file alone.

/** A Kafka config as text; numbers and booleans are written as Kafka writes them. */
export type ConfigValue = string | number | boolean;

/** Kafka's names to values, in either form. */
export type Configs = ReadonlyMap<string, ConfigValue> | Readonly<Record<string, ConfigValue>>;

export interface TestTopic {
  readonly name: string;
  /** The broker config `num.partitions` (1) where left out. */
  readonly partitions?: number;
  /** Topic configs, such as `cleanup.policy`. */
  readonly configs?: Configs;
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean | undefined>>;
}

export interface TestBrokerOptions {
  /** Of 127.0.0.1; a free one where left out. */
  readonly port?: number;
  /** Broker configs, such as `auto.create.topics.enable`. Kafka's defaults hold for the others, but groups do not wait for
   * more members before their first rebalance (`group.initial.rebalance.delay.ms` 0). */
  readonly configs?: Configs;
  /** Created before the broker is handed out. */
  readonly topics?: readonly (string | TestTopic)[];
  /** Called for every line of the broker's log, which goes nowhere else. */
  readonly log?: (line: LogLine) => void;
}

const HOST = "127.0.0.1";
const OPTIONS: ReadonlySet<string> = new Set([
  "port",
  "configs",
  "topics",
  "log",
] satisfies (keyof TestBrokerOptions)[]);
/** Tests hold little, and a process may run many brokers. */
const TAIL_CACHE_BYTES_MAX = 16 * MIB;
const BLOCK_CACHE_BYTES_MAX = 32 * MIB;

/** Broker configs that the options or the broker itself decide; what to do instead. */
const DECIDED: ReadonlyMap<string, string> = new Map([
  ["listeners", "give the option port instead"],
  ["advertised.listeners", "give the option port instead"],
  ["node.id", "it is always 0"],
  ["broker.id", "it is always 0"],
  ["log.dir", "records are kept in memory"],
  ["log.dirs", "records are kept in memory"],
]);

/** An option that cannot be used; the text names it. */
class TestBrokerOptionError extends LogError {
  override readonly name = "TestBrokerOptionError";
  override readonly kind = "invalid";
}

/**
 * A Kafka broker in this process, on a real port of 127.0.0.1, with its records in memory: they are gone when it stops.
 * Any number of brokers run side by side. Stop each one, or the process does not end.
 */
export class TestBroker {
  readonly host: string = HOST;
  readonly port: number;
  /** Where clients connect: `127.0.0.1:PORT`. */
  readonly bootstrapServers: string;
  readonly #broker: StartedBroker;
  #stopped: Promise<void> | undefined;

  /**
   * Resolves once clients may connect. Rejects with a text that names the option, config or topic that cannot be used, or
   * the port that is taken; nothing runs then.
   */
  static async start(options: TestBrokerOptions = {}): Promise<TestBroker> {
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) {
      throw new TestBrokerOptionError(`${unknown}: no such option; there are ${[...OPTIONS].join(", ")}`);
    }
    const broker = new TestBroker(await startInMemory(options));
    try {
      await broker.#createTopics(options.topics ?? []);
    } catch (error) {
      await broker.stop();
      throw error;
    }
    return broker;
  }

  private constructor(broker: StartedBroker) {
    const { port } = defined(broker.listeners[0], "a listener");
    this.#broker = broker;
    this.port = port;
    this.bootstrapServers = formatHostPort({ host: HOST, port });
  }

  /** Closes every connection and forgets every record; takes a second at most. Stopping twice is stopping once. */
  stop(): Promise<void> {
    this.#stopped ??= this.#broker.stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #createTopics(topics: readonly (string | TestTopic)[]): Promise<void> {
    const { topicAdmin } = this.#broker.services;
    const { signal } = sharedAbortController();
    for (const given of topics) {
      const { name, partitions = -1, configs = {} }: TestTopic = typeof given === "string" ? { name: given } : given;
      const topic = { name, partitionCount: partitions, replicationFactor: -1, configs: new Map(entriesOf(configs)) };
      const result = await topicAdmin.createTopic(topic, { validateOnly: false, signal });
      if (result.kind === "refused") throw new TestBrokerOptionError(`topic ${name}: ${result.message}`);
    }
  }
}

function startInMemory(options: TestBrokerOptions): Promise<StartedBroker> {
  const listener = { name: "PLAINTEXT", host: HOST, port: checkedPort(options.port ?? 0) };
  const configs = startConfigs(options.configs ?? {});
  configs.set("listeners", `${listener.name}://${formatHostPort(listener)}`);
  const clock = new SystemClock();
  const store = new MemoryObjectStore(new MemoryObjectService(clock), { clock });
  return startBroker(
    {
      journal: new MemoryJournalService(clock).connect(),
      stores: new StoreSet(new Map([[0, store]])),
      clock,
      random: new SystemRandom(),
      logger: options.log === undefined ? SILENT_LOGGER : loggerTo(options.log),
    },
    {
      identity: { brokerId: 0, rack: configs.get("broker.rack") ?? null },
      // Nobody else has this memory.
      replacesDead: true,
      startConfigs: configs,
      append: DEFAULT_APPEND_SETTINGS,
      tailCacheBytesMax: TAIL_CACHE_BYTES_MAX,
      blockCacheBytesMax: BLOCK_CACHE_BYTES_MAX,
      journalPollMs: JOURNAL_POLL_MS,
      listeners: [listener],
      drainMs: TEST_BROKER_DRAIN_MS,
    },
  );
}

function checkedPort(port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new TestBrokerOptionError(`port: ${port} is not usable: expected a whole number, 0 to 65535`);
}

function startConfigs(given: Configs): Map<string, string> {
  const entries = entriesOf(given);
  for (const [name] of entries) {
    const decided = DECIDED.get(name);
    if (decided !== undefined) throw new BrokerConfigError(`broker config ${name} cannot be set here: ${decided}`);
  }
  return parseBrokerConfigs([["group.initial.rebalance.delay.ms", "0"], ...entries]);
}

function entriesOf(configs: Configs): [name: string, value: string][] {
  const entries = configs instanceof Map ? [...configs] : Object.entries(configs);
  return entries.map(([name, value]) => [name, String(value)]);
}

function loggerTo(log: (line: LogLine) => void): Logger {
  const at =
    (level: LogLine["level"]): Logger["info"] =>
    (message, fields = {}) =>
      log({ level, message, fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
