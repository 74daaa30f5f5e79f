// Which form an answer has, and which one a body came in (RFC 9110, section 12).

export const JSON_TYPE = "application/json";
export const BINARY_TYPE = "application/octet-stream";
export const EVENT_STREAM_TYPE = "text/event-stream";

/** The REST Proxy's v2; the embedded format says what keys and values are. */
export const V2_TYPE = "application/vnd.kafka.v2+json";
export const V2_JSON_TYPE = "application/vnd.kafka.json.v2+json";
export const V2_BINARY_TYPE = "application/vnd.kafka.binary.v2+json";
/** The newest version, whichever it is. */
export const KAFKA_TYPE = "application/vnd.kafka+json";
/** What answers without records come in, the preferred one first. */
export const V2_ANSWER_TYPES: readonly string[] = [V2_TYPE, KAFKA_TYPE, JSON_TYPE];

/** `application/json` of `Application/JSON; charset=utf-8`; undefined for what is no media type. */
export function mediaTypeOf(header: string | null | undefined): string | undefined {
  const [essence = ""] = (header ?? "").split(";", 1);
  const text = essence.trim().toLowerCase();
  return /^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/.test(text) ? text : undefined;
}

interface AcceptedRange {
  readonly range: string;
  readonly quality: number;
}

/**
 * The best of `offered`, which stand in the server's order, by an Accept header; undefined if none of them is accepted.
 * Without a header the first one.
 */
export function negotiate(accept: string | null | undefined, offered: readonly string[]): string | undefined {
  if (accept === null || accept === undefined || accept.trim() === "") return offered[0];
  const ranges = accept.split(",").flatMap(parseRange);
  let best: string | undefined;
  let bestQuality = 0;
  for (const type of offered) {
    const quality = qualityOf(type, ranges);
    if (quality > bestQuality) {
      best = type;
      bestQuality = quality;
    }
  }
  return best;
}

function parseRange(text: string): readonly AcceptedRange[] {
  const range = mediaTypeOf(text);
  if (range === undefined) return [];
  const [, weight] = /;\s*q\s*=\s*([0-9.]+)/i.exec(text) ?? [];
  const quality = weight === undefined ? 1 : Number(weight);
  return [{ range, quality: Number.isFinite(quality) ? Math.min(quality, 1) : 0 }];
}

/** The most specific range that fits decides, whatever its quality. */
function qualityOf(type: string, ranges: readonly AcceptedRange[]): number {
  const group = `${type.slice(0, type.indexOf("/"))}/*`;
  for (const candidate of [type, group, "*/*"]) {
    const found = ranges.find(({ range }) => range === candidate);
    if (found !== undefined) return found.quality;
  }
  return 0;
}
