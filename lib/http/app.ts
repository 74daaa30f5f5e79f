import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { describeError } from "#lib/runtime/logger.ts";
import { HTTP_REQUESTS, HTTP_STREAMS } from "#lib/runtime/metrics.ts";
import { BodyBudget } from "./body-budget.ts";
import type { Endpoint } from "./endpoint.ts";
import { httpErrorFrom } from "./error-table.ts";
import { HttpError } from "./http-error.ts";
import type { HttpRuntime, HttpServices } from "./http-services.ts";
import { noSuchRoute, refusalOutside, serveEndpoint } from "./serve-endpoint.ts";

/** Headers of ours that pages in a browser may read. */
const EXPOSED_HEADERS = ["next-offset", "log-start-offset", "high-watermark", "last-stable-offset", "retry-after"];

export interface HttpRoutes {
  /** What the process is there for. No other route may answer a request that one of them answers. */
  readonly first: readonly Endpoint[];
  /** All routes, `first` among them: asked for with the first request that is for none of those. Left out: `first` are all. */
  readonly all?: () => Promise<readonly Endpoint[]>;
}

/**
 * The HTTP door: `app.fetch(request)` answers a request, whatever stands in front of it (the gateway's server, a function,
 * a test). Every answer but a stream is whole or not there, and every refusal has a body.
 */
export function createHttpApp(services: HttpServices, { first, all }: HttpRoutes): Hono {
  const streams = { count: 0, producing: 0 };
  const startedAtMs = services.broker.clock.monotonicMs();
  const bodies = new BodyBudget();
  const runtime: HttpRuntime = { ...services, endpoints: first, bodies, streams, startedAtMs };
  runtime.telemetry.gauge(HTTP_STREAMS, () => streams.count + streams.producing);
  const app = newRouter();
  const { corsOrigins } = runtime.settings;
  if (corsOrigins.length > 0) {
    const origin = corsOrigins.includes("*") ? "*" : [...corsOrigins];
    app.use(cors({ origin, exposeHeaders: EXPOSED_HEADERS, maxAge: 600 }));
  }
  addEndpoints(app, runtime);
  if (all === undefined) return withRefusals(app, runtime);
  let whole: Promise<Hono> | undefined;
  app.notFound(async ({ req, env }) => {
    whole ??= all().then((endpoints) => newWhole({ ...runtime, endpoints }));
    const loading = whole;
    try {
      return (await loading).fetch(req.raw, env);
    } catch (error) {
      // The next request may have more luck with the file that could not be read.
      if (whole === loading) whole = undefined;
      throw error;
    }
  });
  return answeringFailures(app, runtime);
}

function newRouter(): Hono {
  // A slash at the end changes nothing, as on the REST Proxy.
  return new Hono({ strict: false });
}

/** What stands behind an app that knows some of the routes. */
function newWhole(runtime: HttpRuntime): Hono {
  const app = newRouter();
  addEndpoints(app, runtime);
  return withRefusals(app, runtime);
}

function addEndpoints(app: Hono, runtime: HttpRuntime): void {
  for (const endpoint of runtime.endpoints) {
    app.on(endpoint.spec.method.toUpperCase(), routerPath(endpoint), (context) =>
      serveEndpoint(endpoint, rawRequest(context), runtime, context.env),
    );
  }
}

/** For an app that knows every route. */
function withRefusals(app: Hono, runtime: HttpRuntime): Hono {
  for (const [path, methods] of methodsByPath(runtime.endpoints)) {
    app.all(path, ({ req }) => refuse(runtime, req.raw, wrongMethod(req.method, methods)));
  }
  app.notFound(({ req }) => refuse(runtime, req.raw, noSuchRoute(req.raw)));
  return answeringFailures(app, runtime);
}

function answeringFailures(app: Hono, runtime: HttpRuntime): Hono {
  return app.onError((error, { req }) => {
    runtime.broker.logger.error("an HTTP request failed", { error: describeError(error) });
    return refuse(runtime, req.raw, httpErrorFrom(error));
  });
}

function refuse({ telemetry }: HttpRuntime, request: Request, error: HttpError): Response {
  telemetry.count(HTTP_REQUESTS, 1, { route: "none", method: request.method, status: String(error.status) });
  return refusalOutside(request, error);
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
