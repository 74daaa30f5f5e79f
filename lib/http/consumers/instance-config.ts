import { z } from "zod";
import type { InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import { INSTANCE_ID_LENGTH_MAX } from "#lib/util/limits.ts";

// What an instance is made with. Values may be JSON's own or texts, as clients of the REST Proxy send either.

/** The REST Proxy's number for a config that cannot be. */
const INVALID_CONFIG = 42204;
const INT_MAX = 0x7fff_ffff;

const REQUEST_TIMEOUT_MS = 1_000;

const setting = z.union([z.string(), z.number(), z.boolean()]);
type Setting = z.output<typeof setting>;

export type RequestedConfig = Omit<InstanceConfig, "timeoutMs"> & { readonly name: string | undefined };

const DEFAULTS: RequestedConfig = {
  name: undefined,
  format: "binary",
  autoOffsetReset: "latest",
  autoCommit: true,
  readCommitted: false,
  fetchBytesMin: 1,
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
};

/** How each setting is read; undefined for a value that it does not take. */
const READERS: Readonly<Record<string, (value: Setting) => Partial<RequestedConfig> | undefined>> = {
  name: nameOf,
  // What the REST Proxy called it first, and still takes.
  id: nameOf,
  format: (value) => (value === "binary" || value === "json" ? { format: value } : undefined),
  "auto.offset.reset": (value) =>
    value === "earliest" || value === "latest" || value === "none" ? { autoOffsetReset: value } : undefined,
  "auto.commit.enable": (value) => (isFlag(value) ? { autoCommit: String(value) === "true" } : undefined),
  "isolation.level": (value) =>
    value === "read_committed" || value === "read_uncommitted"
      ? { readCommitted: value === "read_committed" }
      : undefined,
  "fetch.min.bytes": (value) => {
    const fetchBytesMin = integerOf(value);
    return fetchBytesMin === undefined ? undefined : { fetchBytesMin: Math.max(1, fetchBytesMin) };
  },
  "consumer.request.timeout.ms": (value) => {
    const requestTimeoutMs = integerOf(value);
    if (requestTimeoutMs === undefined) return undefined;
    return { requestTimeoutMs: requestTimeoutMs === -1 ? REQUEST_TIMEOUT_MS : requestTimeoutMs };
  },
};

function nameOf(value: Setting): Partial<RequestedConfig> | undefined {
  return isName(value) ? { name: value } : undefined;
}

function isName(value: Setting): value is string {
  if (typeof value !== "string" || value === "" || value.length > INSTANCE_ID_LENGTH_MAX) return false;
  // Neither what ends a step of a path, nor what cannot be seen, nor half a character (Cs).
  return value !== "." && value !== ".." && !/[/\\\p{Cc}\p{Cs}]/u.test(value);
}

function isFlag(value: Setting): boolean {
  return value === true || value === false || value === "true" || value === "false";
}

/** -1 is the REST Proxy's "as usual". */
function integerOf(value: Setting): number | undefined {
  const text = String(value);
  const integer = /^(-1|\d{1,10})$/.test(text) ? Number(text) : Number.NaN;
  return integer <= INT_MAX ? integer : undefined;
}

// What the document shows of settings; they are read by hand, for a number of their own where they cannot be. Null is as
// good as nothing: some clients send all that they know of.
const oneOf = (description: string, ...values: readonly Setting[]) =>
  z
    .unknown()
    .optional()
    .meta({ enum: [...values, null], description });
const wholeNumber = (description: string) =>
  z
    .unknown()
    .optional()
    .meta({
      anyOf: [
        { type: "integer", minimum: -1, maximum: INT_MAX },
        { type: "string", pattern: "^(-1|[0-9]{1,9})$" },
        { type: "null" },
      ],
      description,
    });

const nameSetting = (description: string) =>
  z
    .unknown()
    .optional()
    .meta({
      type: ["string", "null"],
      pattern: "^[^/\\\\\\u0000-\\u001f\\u007f-\\u009f]*$",
      minLength: 1,
      maxLength: INSTANCE_ID_LENGTH_MAX,
      description,
    });

/** The body of a request that makes an instance. */
export const instanceConfigBody = z
  .object({
    name: nameSetting("Left out: one is made up."),
    id: nameSetting("The same; `name` is the word for it."),
    format: oneOf("`binary` unless said.", "binary", "json"),
    "auto.offset.reset": oneOf("`latest` unless said.", "latest", "earliest", "none"),
    "auto.commit.enable": oneOf("`true` unless said.", true, false, "true", "false"),
    "isolation.level": oneOf("`read_uncommitted` unless said.", "read_uncommitted", "read_committed"),
    "fetch.min.bytes": wholeNumber("What a poll waits for; 1 unless said."),
    "consumer.request.timeout.ms": wholeNumber(
      `How long a poll waits that does not say so; ${REQUEST_TIMEOUT_MS} unless said.`,
    ),
  })
  .catchall(z.unknown())
  .meta({ id: "V2InstanceConfig", additionalProperties: false })
  .transform((given, context): RequestedConfig => {
    let config = DEFAULTS;
    for (const [name, value] of Object.entries(given)) {
      const read = readSetting(name, value);
      if (read !== undefined) {
        config = { ...config, ...read };
        continue;
      }
      const message = !Object.hasOwn(READERS, name) ? `there is no setting ${name}` : `${name} cannot be that`;
      context.addIssue({ code: "custom", message, params: { errorCode: INVALID_CONFIG } });
    }
    return config;
  })
  .optional()
  .transform((config) => config ?? DEFAULTS);

function readSetting(name: string, value: unknown): Partial<RequestedConfig> | undefined {
  if (!Object.hasOwn(READERS, name)) return undefined;
  if (value === null) return {};
  const given = setting.safeParse(value);
  return given.success ? READERS[name]?.(given.data) : undefined;
}
