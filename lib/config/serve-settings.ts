import { z } from "zod";
import { PERIODIC_WORKERS, type WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { LogError } from "#lib/util/errors.ts";
import {
  DRAIN_MS_MAX,
  EMBEDDED_BROKERS_MAX,
  EMBEDDED_STORES_MAX,
  INLINE_BYTES_MAX,
  LINGER_MS_MAX,
  MIB,
} from "#lib/util/limits.ts";
import { corsOrigin, ipRange } from "./access-schemas.ts";
import {
  DYNAMODB_ADDRESS_FORM,
  type DynamoDbAddress,
  parseDynamoDbAddress,
  parseS3Address,
  S3_ADDRESS_FORM,
  type S3Address,
} from "./aws-address.ts";
import { awsDefaults } from "./aws-defaults.ts";
import { portProblem } from "./broker-ports.ts";
import { type HostPort, parseHostPort } from "./host-port.ts";
import {
  environmentName,
  HTTP_DEFAULT,
  SERVE_OPTIONS,
  type ServeOption,
  type ServeOptionName,
} from "./serve-options.ts";

/** What a user has set cannot be used; the message names the setting, what was given and what is expected. */
export class SettingsError extends LogError {
  override readonly name = "SettingsError";
  override readonly kind = "invalid";
}

export interface ServeListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly advertisedHost: string | undefined;
  readonly advertisedPort: number | undefined;
}

/** Buckets and table in place of a data directory. */
export interface AwsSettings {
  /** By store id from 0. */
  readonly stores: readonly S3Address[];
  readonly journal: DynamoDbAddress;
}

/** Who may call over HTTP. */
export interface HttpAccessSettings {
  readonly auth: "keys" | "none";
  /** Addresses and ranges; none: everybody. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface ServeSettings {
  /** Not used with `aws`. */
  readonly dataDir: string;
  readonly aws: AwsSettings | undefined;
  /** Stores that there are to be in the data directory; undefined: those there are. */
  readonly storeCount: number | undefined;
  /** Brokers to run as processes of their own; undefined: one, in this process. */
  readonly brokerCount: number | undefined;
  readonly listeners: readonly ServeListener[];
  /** Undefined: no HTTP door. */
  readonly http: HostPort | undefined;
  readonly httpCorsOrigins: readonly string[];
  readonly httpAccess: HttpAccessSettings;
  readonly brokerId: number;
  readonly rack: string | undefined;
  /** As given; what keys and values are allowed is decided by lib/cluster. */
  readonly brokerConfigs: ReadonlyMap<string, string>;
  readonly lingerMs: number;
  readonly inlineBytesMax: number;
  readonly tailCacheBytesMax: number;
  readonly blockCacheBytesMax: number;
  /** Those that the broker runs by itself. */
  readonly workers: readonly WorkerName[];
  readonly drainMs: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

/** The values of one source, by option name; a list for repeatable options. */
export type RawSettings = { readonly [name in ServeOptionName]?: string | readonly string[] };

const DEFAULT_LISTENER_NAME = "PLAINTEXT";

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `expected a whole number, ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected a whole number, ${min} to ${max}`);

const addressed = z.string().transform((text, context) => {
  const [, name, address = ""] = /^(?:([A-Za-z0-9_]+)=)?(.*)$/.exec(text) ?? [];
  const parsed = parseHostPort(address);
  if (parsed === undefined) {
    context.addIssue({ code: "custom", message: "expected [NAME=]HOST:PORT with a port from 0 to 65535" });
    return z.NEVER;
  }
  return { name: name ?? DEFAULT_LISTENER_NAME, ...parsed };
});

const address = <T>(parse: (text: string) => T | undefined, form: string) =>
  z.string().transform((text, context) => {
    const parsed = parse(text);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: `expected ${form}` });
    return z.NEVER;
  });

const keyValue = z.string().transform((text, context) => {
  const at = text.indexOf("=");
  if (at < 1) {
    context.addIssue({ code: "custom", message: "expected KEY=VALUE" });
    return z.NEVER;
  }
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()] as const;
});

function parseWorkers(text: string): readonly WorkerName[] | undefined {
  if (text === "all") return PERIODIC_WORKERS;
  if (text === "none") return [];
  const names = text.split(",").map((name) => PERIODIC_WORKERS.find((each) => each === name.trim()));
  const known = names.filter((name) => name !== undefined);
  return known.length === names.length ? known : undefined;
}

const schema = z.object({
  "data-dir": z.string().min(1),
  store: z.array(address(parseS3Address, S3_ADDRESS_FORM)).default([]),
  journal: address(parseDynamoDbAddress, DYNAMODB_ADDRESS_FORM).optional(),
  stores: integer(1, EMBEDDED_STORES_MAX).optional(),
  brokers: integer(1, EMBEDDED_BROKERS_MAX).optional(),
  kafka: z.array(addressed).min(1),
  advertise: z.array(addressed).default([]),
  http: address(
    (text) => (text === "off" ? text : parseHostPort(text)),
    "HOST:PORT with a port from 0 to 65535, or off",
  ),
  "http-cors-origin": z.array(corsOrigin).default([]),
  "http-auth": z.enum(["keys", "none"]),
  "http-allow": z.array(ipRange).default([]),
  "http-deny": z.array(ipRange).default([]),
  "broker-id": integer(0, 0x7fff_ffff),
  rack: z.string().min(1).optional(),
  "broker-config": z.array(keyValue).default([]),
  "linger-ms": integer(0, LINGER_MS_MAX),
  "inline-bytes": integer(0, INLINE_BYTES_MAX),
  "tail-cache-bytes": integer(0, Number.MAX_SAFE_INTEGER),
  "block-cache-bytes": integer(32 * MIB, Number.MAX_SAFE_INTEGER),
  workers: address(parseWorkers, `all, none, or names of ${PERIODIC_WORKERS.join(", ")} with commas between them`),
  "drain-ms": integer(0, DRAIN_MS_MAX),
  "log-level": z.enum(["debug", "info", "warn", "error"]),
});

/** What the sources say, the strongest first (flags, environment, config file). */
export function mergeSettings(...sources: readonly RawSettings[]): RawSettings {
  const merged: Record<string, string | readonly string[]> = {};
  for (const source of sources.toReversed()) {
    for (const [name, value] of Object.entries(source)) if (value !== undefined) merged[name] = value;
  }
  return merged;
}

/** Merges the sources, the strongest first, and checks the whole. */
export function parseServeSettings(...sources: readonly RawSettings[]): ServeSettings {
  const merged: Record<string, string | readonly string[]> = {};
  const all = mergeSettings(...sources);
  const given = (name: ServeOptionName) => all[name];
  for (const option of SERVE_OPTIONS as readonly (ServeOption & { readonly name: ServeOptionName })[]) {
    const value = given(option.name) ?? option.default;
    if (value !== undefined) merged[option.name] = option.repeatable && typeof value === "string" ? [value] : value;
  }
  // Who names a door for Kafka clients gets that one; who names none gets both.
  merged["http"] ??= given("kafka") === undefined ? HTTP_DEFAULT : "off";
  const result = schema.safeParse(merged);
  if (!result.success) throw new SettingsError(describeIssues(result.error.issues, merged));
  const { data } = result;
  const aws = awsSettings(data.store, data.journal);
  for (const name of ["data-dir", "stores", "brokers"] as const) {
    if (aws === undefined || given(name) === undefined) continue;
    throw new SettingsError(`${name}: not used with store and journal; leave it out`);
  }
  if (data.brokers !== undefined && given("broker-id") !== undefined) {
    throw new SettingsError("broker-id: not used with brokers, which have the ids from 0; leave one of the two out");
  }
  const defaults = aws === undefined ? undefined : awsDefaults(aws.stores);
  const listeners = pairListeners(data.kafka, data.advertise);
  const http = data.http === "off" ? undefined : data.http;
  const doors = [
    ...listeners.map((each) => ({ ...each, setting: "kafka" })),
    ...(http ? [{ ...http, setting: "http" }] : []),
  ];
  const problem = data.brokers === undefined ? undefined : portProblem(doors, data.brokers);
  if (problem !== undefined) throw new SettingsError(problem);
  return {
    dataDir: data["data-dir"],
    aws,
    storeCount: data.stores,
    brokerCount: data.brokers,
    listeners,
    http,
    httpCorsOrigins: data["http-cors-origin"],
    httpAccess: { auth: data["http-auth"], allow: data["http-allow"], deny: data["http-deny"] },
    brokerId: data["broker-id"],
    rack: data.rack,
    brokerConfigs: new Map(data["broker-config"]),
    lingerMs: given("linger-ms") === undefined && defaults ? defaults.lingerMs : data["linger-ms"],
    inlineBytesMax: given("inline-bytes") === undefined && defaults ? defaults.inlineBytesMax : data["inline-bytes"],
    tailCacheBytesMax: data["tail-cache-bytes"],
    blockCacheBytesMax: data["block-cache-bytes"],
    workers: data.workers,
    drainMs: data["drain-ms"],
    logLevel: data["log-level"],
  };
}

/** The settings that stand in `environment`; an unknown name with our prefix is an error, for it is a slip. */
export function settingsFromEnvironment(environment: Readonly<Record<string, string | undefined>>): RawSettings {
  const known = new Map(
    (SERVE_OPTIONS as readonly ServeOption[]).map((option) => [environmentName(option.name), option]),
  );
  const found: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith("MILLRACE_") || OTHER_ENVIRONMENT.includes(name) || value === undefined) continue;
    const option = known.get(name);
    if (option === undefined)
      throw new SettingsError(`environment: ${name} is not a setting; see millrace serve --help`);
    found[option.name] = option.repeatable ? value.split(",") : value;
  }
  return found;
}

export const CONFIG_FILE_ENVIRONMENT = "MILLRACE_CONFIG";
/** Where the other commands find a broker, and what they show there; whoever sets it may run a broker as well. */
const CLIENT_ENVIRONMENT = ["MILLRACE_BOOTSTRAP_SERVER", "MILLRACE_URL", "MILLRACE_KEY"] as const;
/** Set by the supervisor of several brokers for each of them. */
export const SUPERVISED_ENVIRONMENT = "MILLRACE_SUPERVISED";
const OTHER_ENVIRONMENT: readonly string[] = [CONFIG_FILE_ENVIRONMENT, SUPERVISED_ENVIRONMENT, ...CLIENT_ENVIRONMENT];

/** Whether a variable of the environment tells a broker what to do. */
export function isSettingsEnvironment(name: string): boolean {
  if (name === CONFIG_FILE_ENVIRONMENT || name === SUPERVISED_ENVIRONMENT) return true;
  return SERVE_OPTIONS.some((option) => environmentName(option.name) === name);
}

const fileSchema = z.record(
  z.string(),
  z.union([
    z.string(),
    z.number(),
    z.array(z.string()),
    z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  ]),
);

/**
 * The settings of a config file: a JSON object whose keys are the names of the flags. `broker-config` may be an object.
 */
export function settingsFromFile(path: string, text: string): RawSettings {
  const parsed = fileSchema.safeParse(parseJson(path, text));
  if (!parsed.success) {
    const name = parsed.error.issues[0]?.path[0];
    if (name === undefined) throw new SettingsError(`config file ${path}: expected an object`);
    throw new SettingsError(
      `config file ${path}: ${String(name)}: expected a text, a number, a list of texts, or for broker-config an object`,
    );
  }
  const names = new Set<string>(SERVE_OPTIONS.map((option) => option.name));
  const found: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(parsed.data)) {
    if (!names.has(name))
      throw new SettingsError(`config file ${path}: ${name} is not a setting; see millrace serve --help`);
    if (typeof value === "string" || typeof value === "number") found[name] = String(value);
    else if (Array.isArray(value)) found[name] = value;
    else found[name] = Object.entries(value).map(([key, entry]) => `${key}=${entry}`);
  }
  return found;
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingsError(`config file ${path} is not JSON: ${reason}`);
  }
}

function awsSettings(stores: readonly S3Address[], journal: DynamoDbAddress | undefined): AwsSettings | undefined {
  if (journal === undefined && stores.length === 0) return undefined;
  if (journal === undefined) throw new SettingsError(`journal: missing; stores in S3 need ${DYNAMODB_ADDRESS_FORM}`);
  if (stores.length === 0) throw new SettingsError(`store: missing; journals in DynamoDB need ${S3_ADDRESS_FORM}`);
  const places = stores.map(({ bucket, prefix, endpoint = "" }) => `${endpoint} ${bucket}/${prefix}`);
  const twice = stores.find((_, index) => places.indexOf(places[index] ?? "") !== index);
  if (twice !== undefined) throw new SettingsError(`store: s3://${twice.bucket} is given twice`);
  return { stores, journal };
}

type Addressed = z.infer<typeof addressed>;

function pairListeners(listeners: readonly Addressed[], advertised: readonly Addressed[]): readonly ServeListener[] {
  const names = new Set<string>();
  for (const { name } of listeners) {
    if (names.has(name)) throw new SettingsError(`kafka: two listeners are called ${name}; write NAME=HOST:PORT`);
    names.add(name);
  }
  const stray = advertised.find(({ name }) => !names.has(name));
  if (stray !== undefined) throw new SettingsError(`advertise: there is no listener called ${stray.name}`);
  return listeners.map((listener) => {
    const told = advertised.find(({ name }) => name === listener.name);
    return { ...listener, advertisedHost: told?.host, advertisedPort: told?.port };
  });
}

function describeIssues(issues: readonly z.core.$ZodIssue[], given: Readonly<Record<string, unknown>>): string {
  return issues
    .map((issue) => {
      const [name = "settings", index] = issue.path;
      const value = given[String(name)];
      const shown = Array.isArray(value) && typeof index === "number" ? value[index] : value;
      return `${String(name)}: ${JSON.stringify(shown)} is not usable: ${issue.message}`;
    })
    .join("; ");
}
