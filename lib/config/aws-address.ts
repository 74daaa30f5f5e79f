/** Where a service is reached, if the SDK's own chain (environment, profile) shall not say it. */
interface ServiceAddress {
  /** `http://HOST:PORT` or `https://…`, for services that speak the protocol without being AWS. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

export interface S3Address extends ServiceAddress {
  readonly bucket: string;
  /** Folder in the bucket; "" for the whole bucket. */
  readonly prefix: string;
  /** Whether the bucket stands in requests' paths; undefined: where the service is not AWS. */
  readonly forcePathStyle: boolean | undefined;
}

export interface DynamoDbAddress extends ServiceAddress {
  readonly table: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/;
const PREFIX_BYTES_MAX = 200;
const TABLE = /^[A-Za-z0-9_.-]{3,255}$/;
const REGION = /^[a-z0-9-]+$/;

export const S3_ADDRESS_FORM = "s3://BUCKET[/PREFIX][?region=NAME&endpoint=URL&path-style=true|false]";
export const DYNAMODB_ADDRESS_FORM = "dynamodb://TABLE[?region=NAME&endpoint=URL]";

/** Reads `s3://BUCKET[/PREFIX][?…]`; undefined for anything else. */
export function parseS3Address(text: string): S3Address | undefined {
  const parts = partsOf(text, "s3", ["region", "endpoint", "path-style"]);
  if (parts === undefined) return undefined;
  const { name, path, options } = parts;
  const pathStyle = options.get("path-style");
  if (!BUCKET.test(name) || !["true", "false", undefined].includes(pathStyle)) return undefined;
  const prefix = path.replace(/\/$/, "");
  if (
    prefix !== "" &&
    (!PREFIX.test(prefix) || prefix.length > PREFIX_BYTES_MAX || /(?:^|\/)\.\.?(?:\/|$)/.test(prefix))
  )
    return undefined;
  const forcePathStyle = pathStyle === undefined ? undefined : pathStyle === "true";
  return { bucket: name, prefix, forcePathStyle, ...serviceOf(options) };
}

/** Reads `dynamodb://TABLE[?…]`; undefined for anything else. */
export function parseDynamoDbAddress(text: string): DynamoDbAddress | undefined {
  const parts = partsOf(text, "dynamodb", ["region", "endpoint"]);
  if (parts === undefined || parts.path !== "" || !TABLE.test(parts.name)) return undefined;
  return { table: parts.name, ...serviceOf(parts.options) };
}

function partsOf(text: string, scheme: string, known: readonly string[]) {
  const match = /^([a-z0-9]+):\/\/([^/?#\s]+)(?:\/([^?#\s]*))?(?:\?([^#\s]*))?$/.exec(text);
  const [, found, name = "", path = "", query = ""] = match ?? [];
  if (found !== scheme) return undefined;
  const options = new Map(new URLSearchParams(query));
  for (const [option, value] of options) {
    if (!known.includes(option) || value === "") return undefined;
  }
  const region = options.get("region");
  const endpoint = options.get("endpoint");
  if (region !== undefined && !REGION.test(region)) return undefined;
  if (endpoint !== undefined && !/^https?:$/.test(protocolOf(endpoint))) return undefined;
  return { name, path, options };
}

function serviceOf(options: ReadonlyMap<string, string>): ServiceAddress {
  return { endpoint: options.get("endpoint"), region: options.get("region") };
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : "";
}
