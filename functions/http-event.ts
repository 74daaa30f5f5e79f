import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";

/** What function URLs and HTTP APIs send (payload format 2.0), as far as it is looked at. */
export type HttpEvent = Pick<
  APIGatewayProxyEventV2,
  "rawPath" | "rawQueryString" | "headers" | "body" | "isBase64Encoded" | "requestContext"
>;

export type HttpResult = APIGatewayProxyStructuredResultV2;

/** What the app may ask about where a request came from. */
export interface RequestOrigin {
  readonly event: HttpEvent;
  readonly requestContext: HttpEvent["requestContext"];
  readonly lambdaContext: Context;
}

const TEXT = /^text\/|[/+](?:json|xml|javascript)\s*(?:;|$)/i;
/** Smaller answers are far from Lambda's limit, however they travel. */
const LARGE_BYTES = 1024 * 1024;
/** Lambda's limit of 6 MB, less what stands around a body. */
const RESULT_BYTES_MAX = 6 * 1024 * 1024 - 16 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BODILESS = ["GET", "HEAD"];

/** The event as a request of the platform's own kind. Fails with a `TypeError` if it is none. */
export function requestOf(event: HttpEvent, signal: AbortSignal): Request {
  const { method } = event.requestContext.http;
  const query = event.rawQueryString === "" ? "" : `?${event.rawQueryString}`;
  const url = `https://${event.requestContext.domainName}${event.rawPath}${query}`;
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers)) if (value !== undefined) headers.set(name, value);
  const encoding = event.isBase64Encoded ? "base64" : "utf8";
  const { body: text } = event;
  const body = text === undefined || BODILESS.includes(method) ? undefined : Buffer.from(text, encoding);
  if (body !== undefined) headers.set("content-length", String(body.byteLength));
  return new Request(url, { method, headers, signal, ...(body === undefined ? {} : { body }) });
}

/** Waits for the whole body: what is not text travels as base64, and so does text that would be longer as JSON. */
export async function resultOf(response: Response): Promise<HttpResult> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const isText = bytes.byteLength === 0 || (isTextual(response.headers) && !isShorterInBase64(bytes));
  if ((bytes.byteLength * 4) / 3 > RESULT_BYTES_MAX) return tooLarge(bytes.byteLength);
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: bytes.toString(isText ? "utf8" : "base64"),
    isBase64Encoded: !isText,
  };
}

function tooLarge(byteLength: number): HttpResult {
  const message = `The answer has ${byteLength} bytes, more than a function can hand over: ask for fewer by max_bytes.`;
  return {
    statusCode: 413,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ error_code: 41303, message }),
    isBase64Encoded: false,
  };
}

/** The answer is put into JSON, where quotes and line ends take two bytes and other controls six; base64 adds a third. */
function isShorterInBase64(bytes: Uint8Array): boolean {
  if (bytes.byteLength < LARGE_BYTES) return false;
  let added = 0;
  for (const byte of bytes) if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) added += byte < 0x20 ? 5 : 1;
  return added > bytes.byteLength / 3;
}

function isTextual(headers: Headers): boolean {
  return !headers.has("content-encoding") && TEXT.test(headers.get("content-type") ?? "");
}
