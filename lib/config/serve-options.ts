import {
  BLOCK_CACHE_BYTES_MAX,
  DRAIN_MS_MAX,
  EMBEDDED_INLINE_BYTES_MAX,
  INLINE_BYTES_MAX,
  LINGER_MS_MAX,
  MIB,
  TAIL_CACHE_BYTES_MAX,
} from "#lib/util/limits.ts";

/** One setting of `millrace serve`: the same name as a flag, in the environment and in the config file. */
export interface ServeOption {
  /** Flag without dashes and key of the config file. */
  readonly name: string;
  /** What stands for the value in help texts. */
  readonly value: string;
  readonly description: string;
  /** What holds where nothing is said; shown in help texts. */
  readonly default?: string;
  readonly repeatable?: true;
}

/** Every setting, in the order of the help text. Parsed by `parseServeSettings`. */
export const SERVE_OPTIONS = [
  {
    name: "data-dir",
    value: "DIR",
    description: "directory of the journal file and the stores; made if missing",
    default: "./data",
  },
  {
    name: "kafka",
    value: "[NAME=]HOST:PORT",
    description: "listener for Kafka clients; repeat it for several, each with its own NAME; port 0 takes a free one",
    default: "127.0.0.1:9092",
    repeatable: true,
  },
  {
    name: "advertise",
    value: "[NAME=]HOST:PORT",
    description: "where clients of the listener NAME are told to connect; its own address if left out",
    repeatable: true,
  },
  {
    name: "broker-id",
    value: "N",
    description: "id of this broker; one process each in a data directory",
    default: "0",
  },
  { name: "rack", value: "TEXT", description: "rack of this broker as clients see it (broker.rack)" },
  {
    name: "broker-config",
    value: "KEY=VALUE",
    description: "a Kafka broker config, such as num.partitions=6; an unknown key is an error",
    repeatable: true,
  },
  {
    name: "linger-ms",
    value: "MS",
    description: `time between the starts of two flushes in milliseconds, 0 to ${LINGER_MS_MAX}; 0 flushes whenever an upload may start`,
    default: "0",
  },
  {
    name: "inline-bytes",
    value: "BYTES",
    description: `flushes up to this size travel in the journal and make no object, 0 to ${INLINE_BYTES_MAX}`,
    default: String(EMBEDDED_INLINE_BYTES_MAX),
  },
  {
    name: "tail-cache-bytes",
    value: "BYTES",
    description: "memory for recently written records",
    default: String(TAIL_CACHE_BYTES_MAX),
  },
  {
    name: "block-cache-bytes",
    value: "BYTES",
    description: `memory for records read from stores, at least ${32 * MIB}`,
    default: String(BLOCK_CACHE_BYTES_MAX),
  },
  {
    name: "drain-ms",
    value: "MS",
    description: `how long SIGTERM waits for requests under way in milliseconds, 0 to ${DRAIN_MS_MAX}`,
    default: "10000",
  },
  {
    name: "log-level",
    value: "LEVEL",
    description: "debug, info, warn or error; the log goes to stderr",
    default: "info",
  },
] as const satisfies readonly ServeOption[];

export type ServeOptionName = (typeof SERVE_OPTIONS)[number]["name"];

/** The name of a setting in the environment: `MILLRACE_DATA_DIR`. Repeatable ones are separated by commas there. */
export function environmentName(name: string): string {
  return `MILLRACE_${name.toUpperCase().replaceAll("-", "_")}`;
}
