import { type HostPort, parseHostPort } from "#lib/config/host-port.ts";
import { COMPRESSION_CODECS, type CompressionCodec } from "#lib/record/compression-codec.ts";
import { UsageError } from "./usage-error.ts";

export interface NumberRange {
  readonly name: string;
  readonly min: number;
  readonly max?: number;
}

export function parseInteger(text: string, { name, min, max = Number.MAX_SAFE_INTEGER }: NumberRange): number {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const bounds = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `${min} to ${max}`;
  throw new UsageError(`${name} is a whole number, ${bounds}, not "${text}"`);
}

export function parseBootstrap(text: string): readonly HostPort[] {
  return text.split(",").map((part) => {
    const address = parseHostPort(part.trim());
    if (address !== undefined && address.port > 0) return address;
    throw new UsageError(`--bootstrap-server is HOST:PORT, or several with commas between, not "${text}"`);
  });
}

/** The base URL of the HTTPS door. */
export function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:" || url?.protocol === "http:") return url;
  throw new UsageError(`--url is https://HOST or http://HOST:PORT, not "${text}"`);
}

/** The text of an API key, which travels in a header; undefined for none. */
export function parseApiKey(text: string): string | undefined {
  const key = text.trim();
  if (key === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError("--key is an API key as millrace keys create has printed it: mr_…");
}

/** `key=value`; the value may hold further equals signs. */
export function parseKeyValue(text: string, option: string): { readonly key: string; readonly value: string } {
  const at = text.indexOf("=");
  if (at <= 0) throw new UsageError(`${option} is KEY=VALUE, not "${text}"`);
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}

export function parseCompression(text: string): CompressionCodec {
  const codec = COMPRESSION_CODECS.find((each) => each === text);
  if (codec === undefined)
    throw new UsageError(`--compression is one of ${COMPRESSION_CODECS.join(", ")}, not "${text}"`);
  return codec;
}

export function parseAcks(text: string): -1 | 0 | 1 {
  if (text === "all" || text === "-1") return -1;
  if (text === "0") return 0;
  if (text === "1") return 1;
  throw new UsageError(`--acks is all, 1 or 0, not "${text}"`);
}

/** Where to begin reading. */
export type From =
  | { readonly kind: "beginning" }
  | { readonly kind: "end" }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "time"; readonly timestampMs: number };

export function parseFrom(text: string): From {
  if (text === "beginning" || text === "end") return { kind: text };
  const [, kind, value = ""] = /^(offset|time):(.+)$/.exec(text) ?? [];
  if (kind === "offset") return { kind, offset: parseInteger(value, { name: "--from offset:N", min: 0 }) };
  const timestampMs = kind === "time" ? parseTime(value) : undefined;
  if (timestampMs !== undefined) return { kind: "time", timestampMs };
  throw new UsageError(
    `--from is beginning, end, offset:N or time:T with T in ISO 8601 or milliseconds since 1970, not "${text}"`,
  );
}

/** ISO 8601 (a date alone, or a time without zone, is UTC) or milliseconds since 1970; undefined for anything else. */
export function parseTime(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) return undefined;
  const hasZone = /T.*(?:Z|[+-]\d{2}:?\d{2})$/.test(text);
  const value = Date.parse(hasZone || !text.includes("T") ? text : `${text}Z`);
  return Number.isNaN(value) ? undefined : value;
}

/** A separator as the shell passes it; `\t` and `\n` in two characters are what they look like. */
export function parseSeparator(text: string): Buffer {
  const meant = text.replaceAll("\\t", "\t").replaceAll("\\n", "\n").replaceAll("\\0", "\0");
  if (meant === "") throw new UsageError("--key-separator must not be empty");
  return Buffer.from(meant);
}
