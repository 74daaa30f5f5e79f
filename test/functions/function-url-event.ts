import type { HttpEvent } from "../../functions/http-event.ts";

export interface SentRequest {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Uint8Array;
}

/** What a function URL makes of a request (payload format 2.0, as AWS documents it): bytes travel as base64. */
export function eventOf({ method = "GET", path = "/", query = "", headers = {}, body }: SentRequest): HttpEvent {
  const isBytes = body instanceof Uint8Array;
  return {
    rawPath: path,
    rawQueryString: query,
    headers: { host: "abcdefghij.lambda-url.us-east-1.on.aws", ...headers },
    isBase64Encoded: isBytes,
    ...(body === undefined ? {} : { body: isBytes ? Buffer.from(body).toString("base64") : body }),
    requestContext: {
      accountId: "anonymous",
      apiId: "abcdefghij",
      domainName: "abcdefghij.lambda-url.us-east-1.on.aws",
      domainPrefix: "abcdefghij",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "203.0.113.9", userAgent: "curl" },
      requestId: "1",
      routeKey: "$default",
      stage: "$default",
      time: "21/Nov/2026:18:30:00 +0000",
      timeEpoch: 1_795_285_800_000,
    },
  };
}
