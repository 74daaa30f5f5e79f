import { PERIODIC_WORKERS } from "#lib/housekeeping/workers/worker.ts";
import {
  APPEND_INLINE_BYTES_MAX,
  BLOCK_CACHE_BYTES_MAX,
  DRAIN_MS_MAX,
  EMBEDDED_BROKERS_MAX,
  EMBEDDED_INLINE_BYTES_MAX,
  EMBEDDED_STORES_MAX,
  FUNCTION_INLINE_BYTES_PER_COPY,
  INLINE_BYTES_MAX,
  LINGER_MS_MAX,
  MIB,
  S3_EXPRESS_LINGER_MS,
  S3_LINGER_MS,
  TAIL_CACHE_BYTES_MAX,
} from "#lib/util/limits.ts";
import { DYNAMODB_ADDRESS_FORM, S3_ADDRESS_FORM } from "./aws-address.ts";

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

/** Where HTTP clients find a broker of which nothing else was said. */
export const HTTP_DEFAULT = "127.0.0.1:8082";

/** Every setting, in the order of the help text. Parsed by `parseServeSettings`. */
export const SERVE_OPTIONS = [
  {
    name: "data-dir",
    value: "DIR",
    description: "directory of the journal file and the stores; made if missing",
    default: "./data",
  },
  {
    name: "stores",
    value: "N",
    description: `stores in the directory, store-0 and on, 1 to ${EMBEDDED_STORES_MAX}; more than there are makes new ones, for topics made later; by default those there are, in a new directory one`,
  },
  {
    name: "brokers",
    value: "N",
    description: `run N brokers over the directory, 1 to ${EMBEDDED_BROKERS_MAX}, with ids from 0, each in a process of its own, at the given ports and those after them; one that dies is started again`,
  },
  {
    name: "store",
    value: "URL",
    description: `bucket of S3 in place of the directory: ${S3_ADDRESS_FORM}; repeat it for several, always in the same order; goes with journal`,
    repeatable: true,
  },
  {
    name: "journal",
    value: "URL",
    description: `table of DynamoDB in place of the directory: ${DYNAMODB_ADDRESS_FORM}; goes with store`,
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
    description: "id of this broker, at home at store N mod the number of stores; one process each in a data directory",
    default: "0",
  },
  {
    name: "http",
    value: "HOST:PORT|off",
    description: `listener for HTTP clients, or none; ${HTTP_DEFAULT} unless a listener for Kafka clients is named, then none`,
  },
  {
    name: "http-cors-origin",
    value: "ORIGIN",
    description: "origin whose pages may call over HTTP from a browser, or * for all; repeat it for several",
    repeatable: true,
  },
  { name: "rack", value: "TEXT", description: "rack of this broker as clients see it (broker.rack)" },
  {
    name: "http-auth",
    value: "MODE",
    description:
      "keys: HTTP clients need an API key (millrace keys create); none: whoever reaches the listener may do all",
    default: "none",
  },
  {
    name: "http-allow",
    value: "RANGE",
    description: "address or range such as 10.0.0.0/8 whose HTTP clients may call; all where none is named",
    repeatable: true,
  },
  {
    name: "http-deny",
    value: "RANGE",
    description: "address or range whose HTTP clients may not call, whatever else allows it",
    repeatable: true,
  },
  {
    name: "broker-config",
    value: "KEY=VALUE",
    description: "a Kafka broker config, such as num.partitions=6; an unknown key is an error",
    repeatable: true,
  },
  {
    name: "linger-ms",
    value: "MS",
    description: `time between the starts of two flushes in milliseconds, 0 to ${LINGER_MS_MAX}; 0 flushes whenever an upload may start; with S3 by default ${S3_LINGER_MS}, with directory buckets (S3 Express) ${S3_EXPRESS_LINGER_MS}`,
    default: "0",
  },
  {
    name: "inline-bytes",
    value: "BYTES",
    description: `flushes up to this size travel in the journal and make no object, 0 to ${INLINE_BYTES_MAX}; with S3 by default ${APPEND_INLINE_BYTES_MAX}, with one store ${FUNCTION_INLINE_BYTES_PER_COPY}`,
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
    name: "workers",
    value: "NAMES",
    description: `workers that this broker runs by itself: all, none, or names with commas between them of ${PERIODIC_WORKERS.join(", ")}; millrace run runs one by hand`,
    default: "all",
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
