import { TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { HTTP_REQUEST_SECONDS, HTTP_REQUESTS } from "#lib/runtime/metrics.ts";
import { ANYBODY } from "./access.ts";
import { checkBody, checkParts, type RawRequest } from "./check-request.ts";
import type { Answer, Endpoint, EndpointSpec } from "./endpoint.ts";
import { httpErrorFrom } from "./error-table.ts";
import { errorBody, HttpError } from "./http-error.ts";
import type { HttpRuntime } from "./http-services.ts";
import { JSON_TYPE, negotiate, V2_ANSWER_TYPES } from "./media-types.ts";

/** nginx's number for a client that has hung up; nobody sees it but the counters. */
const CLIENT_GONE = 499;

/** Runs one request through its endpoint. Never rejects: whatever goes wrong becomes an answer with a body. */
export async function serveEndpoint(
  endpoint: Endpoint,
  raw: RawRequest,
  runtime: HttpRuntime,
  environment: unknown,
): Promise<Response> {
  const { clock, logger } = runtime.broker;
  const { spec } = endpoint;
  const { request } = raw;
  const startMs = clock.monotonicMs();
  const clientAddress = runtime.clientAddress?.(environment);
  const response = await answerOf(endpoint, raw, runtime, environment).catch((error: unknown) => {
    // A function's time can be over while its client is still there.
    const isGone = request.signal.aborted && !(request.signal.reason instanceof TimeLimitError);
    if (isGone) return new Response(null, { status: CLIENT_GONE });
    const refused = httpErrorFrom(error);
    if (refused.status >= 500) {
      const fields = { route: spec.path, status: refused.status, error: describeError(error) };
      if (refused.status === 500) logger.error("an HTTP request failed", fields);
      else logger.warn("an HTTP request could not be served", fields);
    }
    return refusalResponse(spec, request, refused);
  });
  const durationMs = clock.monotonicMs() - startMs;
  const labels = { route: spec.path, method: request.method };
  runtime.telemetry.count(HTTP_REQUESTS, 1, { ...labels, status: String(response.status) });
  runtime.telemetry.observe(HTTP_REQUEST_SECONDS, durationMs / 1_000, labels);
  logger.debug("http request", { ...labels, status: response.status, client: clientAddress, durationMs });
  return response;
}

async function answerOf(
  endpoint: Endpoint,
  raw: RawRequest,
  runtime: HttpRuntime,
  environment: unknown,
): Promise<Response> {
  const { request } = raw;
  const { spec } = endpoint;
  const clientAddress = runtime.clientAddress?.(environment);
  using limit = timeLimit(runtime.broker.clock, runtime.settings.requestMsMax, request.signal);
  const { signal } = limit;
  const principal = spec.isOpen === true ? ANYBODY : await runtime.auth.authenticate(request, clientAddress, signal);
  if (spec.isOpen === true && spec.takesAnyAddress !== true) runtime.auth.requireAddress?.(clientAddress);
  const parts = checkParts(endpoint, raw);
  using checkedBody = await checkBody(endpoint, request, runtime, signal);
  const { body, contentType } = checkedBody;
  const getBody = spec.method === "get" ? runtime.bodyOfGet?.(environment) : undefined;
  const answer = await endpoint.serve({ ...parts, body, contentType, request, getBody, principal, runtime, signal });
  return answer instanceof Response ? answer : answerResponse(answer, parts.answerType);
}

function answerResponse({ status, value, headers = {} }: Answer, answerType: string): Response {
  if (value === undefined) return new Response(null, { status: status ?? 204, headers });
  return new Response(JSON.stringify(value), {
    status: status ?? 200,
    headers: { "content-type": answerType, ...headers },
  });
}

/** A refusal in the form of the route's conventions. */
export function refusalResponse(spec: Pick<EndpointSpec, "area">, request: Request, error: HttpError): Response {
  const offered = spec.area === "v2" ? V2_ANSWER_TYPES : [JSON_TYPE];
  const type = negotiate(request.headers.get("accept"), offered) ?? JSON_TYPE;
  return new Response(JSON.stringify(errorBody(spec.area, error)), {
    status: error.status,
    headers: { ...error.headers, "content-type": type },
  });
}

/** Which conventions a path without an endpoint belongs to. */
export function refusalOutside(request: Request, error: HttpError): Response {
  const { pathname } = new URL(request.url);
  const area = pathname.startsWith("/v3/") ? "v3" : pathname.startsWith("/v1/") ? "v1" : "v2";
  return refusalResponse({ area }, request, error);
}

export function noSuchRoute(request: Request): HttpError {
  const { pathname } = new URL(request.url);
  return new HttpError({ status: 404, message: `There is nothing at ${pathname.slice(0, 200)}; see /openapi.json.` });
}
