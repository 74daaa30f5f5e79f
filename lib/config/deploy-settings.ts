import { z } from "zod";
import { corsOrigin, ipRange } from "./access-schemas.ts";
import { type JournalCapacity, journalCapacity } from "./journal-capacity.ts";
import { SettingsError } from "./serve-settings.ts";

/** `single`: one bucket; `replicated`: three; `express`: three directory buckets of S3 Express, one in each zone. */
export const DEPLOY_PROFILES = ["single", "replicated", "express"] as const;
export type DeployProfile = (typeof DEPLOY_PROFILES)[number];

export const GATEWAY_ADDRESSES = ["load-balancer", "dns"] as const;
export type GatewayAddress = (typeof GATEWAY_ADDRESSES)[number];

/** What `cdk deploy -c NAME=VALUE` and the context of cdk.json may say. */
export interface DeploySettings {
  /** The profiles whose stacks are made; context calls them `profile`. */
  readonly profiles: readonly DeployProfile[];
  /** Of the functions and of the gateway. */
  readonly architecture: "arm64" | "x86_64";
  /** `none`: function URLs are open to everyone and the app asks for an API key; `iam`: the caller signs as well. */
  readonly functionUrlAuth: "none" | "iam";
  /** `keys`: calls need an API key. */
  readonly auth: "keys" | "none";
  /** Addresses and ranges that may call, all where there are none, and those that may not in any case. */
  readonly ipAllow: readonly string[];
  readonly ipDeny: readonly string[];
  /** Origins whose pages may call from a browser; `*` for all. */
  readonly corsOrigins: readonly string[];
  /** An HTTP API in front of all functions. */
  readonly httpApi: boolean;
  readonly alarms: boolean;
  readonly dashboard: boolean;
  /** The table cannot be deleted before this is switched off. */
  readonly deletionProtection: boolean;
  /** `on-demand`: the table is paid by the request; else by the hour, within bounds. */
  readonly journalCapacity: JournalCapacity;
  /** Brokers on Fargate for Kafka clients of a VPC; 0: no gateway. */
  readonly gatewayBrokers: number;
  /** How Kafka clients of the VPC reach a broker: through a load balancer, or at its own address by a private name. */
  readonly gatewayAddress: GatewayAddress;
  /** Zone ids that brokers run in, by the id of the store at home; none: those of directory buckets, or the region's. */
  readonly gatewayZones: readonly string[];
  /** Zone ids of the directory buckets, such as `use1-az4`; by store id. */
  readonly expressZones: readonly string[];
}

const BROKERS_MAX = 30;

// Context comes as text from the command line and as JSON from cdk.json.
const flag = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
const list = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .union([z.array(z.string()), z.string().transform((text) => text.split(","))])
    .transform((texts) => texts.map((text) => text.trim()))
    .pipe(z.array(item).min(1));

const listOrNone = (item: z.ZodType<string, string>) =>
  z
    .union([z.array(z.string()), z.string().transform((text) => text.split(","))])
    .transform((given) => given.map((text) => text.trim()).filter((text) => text !== ""))
    .pipe(z.array(item))
    .default([]);

const zoneId = z.string().regex(/^[a-z0-9]+-az\d+$/, "expected zone ids such as use1-az4");

const schema = z.object({
  profile: list(z.enum(DEPLOY_PROFILES)).default([...DEPLOY_PROFILES]),
  architecture: z.enum(["arm64", "x86_64"]).default("arm64"),
  functionUrlAuth: z.enum(["none", "iam"]).default("none"),
  auth: z.enum(["keys", "none"]).default("keys"),
  ipAllow: listOrNone(ipRange),
  ipDeny: listOrNone(ipRange),
  corsOrigins: listOrNone(corsOrigin),
  httpApi: flag.default(false),
  alarms: flag.default(true),
  dashboard: flag.default(false),
  deletionProtection: flag.default(true),
  journalCapacity: journalCapacity.default("on-demand"),
  gatewayBrokers: z.coerce.number().int().min(0).max(BROKERS_MAX).default(0),
  gatewayAddress: z.enum(GATEWAY_ADDRESSES).default("load-balancer"),
  gatewayZones: listOrNone(zoneId),
  expressZones: list(zoneId).default(["use1-az4", "use1-az5", "use1-az6"]),
});

/** The names that `parseDeploySettings` reads. */
export const DEPLOY_SETTING_NAMES: readonly string[] = Object.keys(schema.shape);

/** Fails with `SettingsError`, whose text names the setting. */
export function parseDeploySettings(context: Readonly<Record<string, unknown>>): DeploySettings {
  const parsed = schema.safeParse(context);
  if (parsed.success) {
    const { profile: profiles, ...rest } = parsed.data;
    return { profiles, ...rest };
  }
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  throw new SettingsError(`context: ${name}: ${JSON.stringify(context[name])} is not usable: ${issue?.message}`);
}
