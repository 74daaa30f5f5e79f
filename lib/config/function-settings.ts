import { z } from "zod";
import {
  BLOCK_CACHE_BYTES_MAX,
  FUNCTION_TAIL_CACHE_BYTES_MAX,
  INLINE_BYTES_MAX,
  JOURNAL_POLL_MS,
  LINGER_MS_MAX,
} from "#lib/util/limits.ts";
import { corsOrigin, ipRange } from "./access-schemas.ts";
import { parseS3Address, S3_ADDRESS_FORM, type S3Address } from "./aws-address.ts";
import { awsDefaults } from "./aws-defaults.ts";
import { SettingsError } from "./serve-settings.ts";

/** What a deployed function knows of the deployment. Written by `functionEnvironment`, read by `parseFunctionSettings`. */
export interface FunctionSettings {
  /** By store id from 0. */
  readonly stores: readonly S3Address[];
  /** The DynamoDB table of the journals. */
  readonly table: string;
  readonly lingerMs: number;
  readonly inlineBytesMax: number;
  readonly tailCacheBytesMax: number;
  readonly blockCacheBytesMax: number;
  /** Spacing of the polls for what other processes commit, while a fetch waits, in milliseconds. */
  readonly journalPollMs: number;
  /** `keys`: calls need an API key; `none`: whoever reaches the function may do everything. */
  readonly auth: "keys" | "none";
  /** Addresses and ranges that may call, all where there are none, and those that may not in any case. */
  readonly ipAllow: readonly string[];
  readonly ipDeny: readonly string[];
  /** Origins whose pages may call from a browser; `*` for all. */
  readonly corsOrigins: readonly string[];
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

/** What a deployment decides; the rest has defaults that suit functions. */
export interface FunctionEnvironment
  extends Pick<FunctionSettings, "table" | "auth">,
    Partial<Omit<FunctionSettings, "stores" | "table" | "auth">> {
  /** `s3://BUCKET[/PREFIX]`, by store id from 0. */
  readonly stores: readonly string[];
}

const integer = (max: number, min = 0) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected a whole number, ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected a whole number, ${min} to ${max}`);

const list = z
  .string()
  .transform((text) => text.split(",").flatMap((item) => (item.trim() === "" ? [] : [item.trim()])));

const address = z.string().transform((text, context) => {
  const parsed = parseS3Address(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: `expected ${S3_ADDRESS_FORM}, separated by commas` });
  return z.NEVER;
});

const schema = z.object({
  MILLRACE_STORES: list.pipe(z.array(address).min(1)),
  MILLRACE_TABLE: z.string().min(1),
  MILLRACE_LINGER_MS: integer(LINGER_MS_MAX).default(0),
  MILLRACE_INLINE_BYTES: integer(INLINE_BYTES_MAX).optional(),
  MILLRACE_TAIL_CACHE_BYTES: integer(Number.MAX_SAFE_INTEGER).default(FUNCTION_TAIL_CACHE_BYTES_MAX),
  MILLRACE_BLOCK_CACHE_BYTES: integer(Number.MAX_SAFE_INTEGER).default(BLOCK_CACHE_BYTES_MAX / 2),
  // 0 means elsewhere that nobody else writes to the journals; other functions always may.
  MILLRACE_JOURNAL_POLL_MS: integer(LINGER_MS_MAX, 1).default(JOURNAL_POLL_MS),
  MILLRACE_AUTH: z.enum(["keys", "none"]).default("keys"),
  MILLRACE_IP_ALLOW: list.pipe(z.array(ipRange)).default([]),
  MILLRACE_IP_DENY: list.pipe(z.array(ipRange)).default([]),
  MILLRACE_HTTP_CORS_ORIGIN: list.pipe(z.array(corsOrigin)).default([]),
  MILLRACE_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

/** Fails with `SettingsError`, whose text names the variable. */
export function parseFunctionSettings(environment: Readonly<Record<string, string | undefined>>): FunctionSettings {
  // Read once in a process: code compiled for it would take longer to make than it saves.
  const parsed = schema.safeParse(environment, { jitless: true });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    const given = environment[name] === undefined ? "is not set" : `${JSON.stringify(environment[name])} is not usable`;
    throw new SettingsError(`environment: ${name} ${given}: ${issue?.message}`);
  }
  const { data } = parsed;
  return {
    stores: data.MILLRACE_STORES,
    table: data.MILLRACE_TABLE,
    lingerMs: data.MILLRACE_LINGER_MS,
    inlineBytesMax: data.MILLRACE_INLINE_BYTES ?? awsDefaults(data.MILLRACE_STORES).inlineBytesMax,
    tailCacheBytesMax: data.MILLRACE_TAIL_CACHE_BYTES,
    blockCacheBytesMax: data.MILLRACE_BLOCK_CACHE_BYTES,
    journalPollMs: data.MILLRACE_JOURNAL_POLL_MS,
    auth: data.MILLRACE_AUTH,
    ipAllow: data.MILLRACE_IP_ALLOW,
    ipDeny: data.MILLRACE_IP_DENY,
    corsOrigins: data.MILLRACE_HTTP_CORS_ORIGIN,
    logLevel: data.MILLRACE_LOG_LEVEL,
  };
}

/** The environment of a deployed function. Values may be placeholders that the deployment fills in. */
export function functionEnvironment(settings: FunctionEnvironment): Record<string, string> {
  const optional = {
    MILLRACE_LINGER_MS: settings.lingerMs,
    MILLRACE_INLINE_BYTES: settings.inlineBytesMax,
    MILLRACE_TAIL_CACHE_BYTES: settings.tailCacheBytesMax,
    MILLRACE_BLOCK_CACHE_BYTES: settings.blockCacheBytesMax,
    MILLRACE_JOURNAL_POLL_MS: settings.journalPollMs,
    MILLRACE_IP_ALLOW: settings.ipAllow,
    MILLRACE_IP_DENY: settings.ipDeny,
    MILLRACE_HTTP_CORS_ORIGIN: settings.corsOrigins,
    MILLRACE_LOG_LEVEL: settings.logLevel,
  };
  return {
    MILLRACE_STORES: settings.stores.join(","),
    MILLRACE_TABLE: settings.table,
    MILLRACE_AUTH: settings.auth,
    ...Object.fromEntries(
      Object.entries(optional).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
    ),
  };
}
