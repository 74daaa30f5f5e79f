import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { ApiRouter } from "#lib/broker/api-router.ts";
import { BROKER_HANDLERS } from "#lib/broker/handlers.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { HTTP_REQUESTS, HTTP_STREAMS } from "#lib/runtime/metrics.ts";
import { BodyBudget } from "./body-budget.ts";
import type { Endpoint } from "./endpoint.ts";
import { httpErrorFrom } from "./error-table.ts";
import { HttpError } from "./http-error.ts";
import type { HttpRuntime, HttpServices } from "./http-services.ts";
import { ROUTES } from "./routes.ts";
import { noSuchRoute, refusalOutside, serveEndpoint } from "./serve-endpoint.ts";

/** Headers of ours that pages in a browser may read. */
const EXPOSED_HEADERS = ["next-offset", "log-start-offset", "high-watermark", "last-stable-offset", "retry-after"];

/**
 * The HTTP door: `app.fetch(request)` answers a request, whatever stands in front of it (the gateway's server, a function,
 * a test). Every answer but a stream is whole or not there, and every refusal has a body.
 */
export function createHttpApp(services: HttpServices): Hono {
  const streams = { count: 0, producing: 0 };
  const startedAtMs = services.broker.clock.monotonicMs();
  const router = new ApiRouter(BROKER_HANDLERS, services.broker);
  const bodies = new BodyBudget();
  const runtime: HttpRuntime = { ...services, endpoints: ROUTES, bodies, streams, router, startedAtMs };
  runtime.telemetry.gauge(HTTP_STREAMS, () => streams.count + streams.producing);
  // A slash at the end changes nothing, as on the REST Proxy.
  const app = new Hono({ strict: false });
  const { corsOrigins } = runtime.settings;
  if (corsOrigins.length > 0) {
    const origin = corsOrigins.includes("*") ? "*" : [...corsOrigins];
    app.use(cors({ origin, exposeHeaders: EXPOSED_HEADERS, maxAge: 600 }));
  }
  for (const endpoint of ROUTES) {
    app.on(endpoint.spec.method.toUpperCase(), routerPath(endpoint), (context) =>
      serveEndpoint(endpoint, rawRequest(context), runtime, context.env),
    );
  }
  const refuse = (request: Request, error: HttpError): Response => {
    runtime.telemetry.count(HTTP_REQUESTS, 1, { route: "none", method: request.method, status: String(error.status) });
    return refusalOutside(request, error);
  };
  for (const [path, methods] of methodsByPath(ROUTES)) {
    app.all(path, ({ req }) => refuse(req.raw, wrongMethod(req.method, methods)));
  }
  app.notFound(({ req }) => refuse(req.raw, noSuchRoute(req.raw)));
  app.onError((error, { req }) => {
    services.broker.logger.error("an HTTP request failed", { error: describeError(error) });
    return refuse(req.raw, httpErrorFrom(error));
  });
  return app;
}

function rawRequest({ req }: Context) {
  return { request: req.raw, params: req.param(), query: req.query() };
}

/** `/topics/:topic` of `/topics/{topic}`; a colon within a segment, as in `records:batch`, begins no parameter. */
function routerPath({ spec }: Endpoint): string {
  return spec.path.replaceAll(/\/([^/{]+:[^/]+)/g, "/:action{$1}").replaceAll(/\{(\w+)\}/g, ":$1");
}

function methodsByPath(routes: readonly Endpoint[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const endpoint of routes) {
    const path = routerPath(endpoint);
    const method = endpoint.spec.method.toUpperCase();
    found.set(path, [...(found.get(path) ?? []), method]);
  }
  return found;
}

function wrongMethod(method: string, allowed: readonly string[]): HttpError {
  const message = `${method} is not for this path; ${allowed.join(", ")} ${allowed.length === 1 ? "is" : "are"}.`;
  return new HttpError({ status: 405, message, headers: { allow: allowed.join(", ") } });
}
