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

/** Waits for the whole body: what is not text travels as base64. */
export async function resultOf(response: Response): Promise<HttpResult> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const isText = bytes.byteLength === 0 || isTextual(response.headers);
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: bytes.toString(isText ? "utf8" : "base64"),
    isBase64Encoded: !isText,
  };
}

function isTextual(headers: Headers): boolean {
  return !headers.has("content-encoding") && TEXT.test(headers.get("content-type") ?? "");
}
