import type { Context } from "aws-lambda";
import { EmfTelemetry } from "#lib/adapters/aws/emf-telemetry.ts";
import type { Broker } from "#lib/broker/assemble-broker.ts";
import { createHttpApp, type HttpRoutes } from "#lib/http/app.ts";
import type { Endpoint } from "#lib/http/endpoint.ts";
import { httpErrorFrom } from "#lib/http/error-table.ts";
import { HttpError } from "#lib/http/http-error.ts";
import { DEFAULT_HTTP_SETTINGS, type HttpServices } from "#lib/http/http-services.ts";
import { refusalOutside } from "#lib/http/serve-endpoint.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { HTTP_REQUEST_SECONDS, HTTP_REQUESTS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import {
  FUNCTION_BODY_BYTES_MAX,
  FUNCTION_LATE_COPY_MS_MAX,
  FUNCTION_METRICS_MS,
  FUNCTION_VIEW_MS_MAX,
} from "#lib/util/limits.ts";
import { authenticatorOf } from "./access.ts";
import { type HttpEvent, type HttpResult, type RequestOrigin, requestOf, resultOf } from "./http-event.ts";
import { clock, type FunctionRuntime, type RunningFunction } from "./runtime.ts";

/** Time to answer in, before the service ends the call without an answer. */
const RESERVE_MS = 1_000;
/** An answer is collected before it is sent, and a client of an event stream would like to see it. */
const STREAM_MS_MAX = 20_000;

type App = ReturnType<typeof createHttpApp>;

export type HttpHandler = (event: HttpEvent, context: Context) => Promise<HttpResult>;

/**
 * The whole app behind one function: `first` are the routes that it is sent requests of, and all others are loaded with the
 * first request for one of them. The answer is the last act: what it promises has been committed, and nothing goes on
 * after it, for the environment may be frozen then, or be gone.
 */
export async function newHttpHandler(
  name: string,
  runtime: FunctionRuntime,
  first: readonly Endpoint[],
): Promise<HttpHandler> {
  const apps = new WeakMap<RunningFunction, App>();
  const views = new Views(runtime.beganAtMs);
  const metrics = new Metrics(name);
  // Whatever the first call would have to do is done while the module is loaded, and while services are asked: Node loads
  // the platform's requests with the first one.
  new Request("https://localhost/");
  const early = await runtime.startedEarly();
  if (early !== undefined) apps.set(early, newApp(early, metrics.telemetry, { first, all: allRoutes }));
  return async (event, context) => {
    const restedMs = clock.thaw();
    const remainingMs = Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MS);
    using limit = timeLimit(clock, remainingMs);
    const { signal } = limit;
    let request: Request | undefined;
    try {
      request = requestOf(event, signal);
      const running = await runtime.started(signal);
      await views.refresh(running.broker, restedMs, signal);
      const app = apps.get(running) ?? newApp(running, metrics.telemetry, { first, all: allRoutes });
      apps.set(running, app);
      const origin: RequestOrigin = { event, requestContext: event.requestContext, lambdaContext: context };
      const result = await resultOf(await app.fetch(request, origin));
      await running.broker.chores.settle(FUNCTION_LATE_COPY_MS_MAX);
      return result;
    } catch (error) {
      if (request === undefined) return await resultOf(noRequest(event, error));
      runtime.logger.error("a request could not be served", { error: describeError(error) });
      return await resultOf(refusalOutside(request, httpErrorFrom(error)));
    } finally {
      metrics.flushIfDue();
      clock.rest();
    }
  };
}

/** For a method that the platform does not know, such as TRACE. */
function noRequest({ rawPath }: HttpEvent, error: unknown): Response {
  const message = `This is no HTTP request that can be served: ${describeError(error)}`;
  const refused = new HttpError({ status: 400, errorCode: 40002, message });
  return refusalOutside(new Request(`https://localhost${rawPath}`), refused);
}

async function allRoutes(): Promise<readonly Endpoint[]> {
  const { ROUTES } = await import("#lib/http/routes.ts");
  return ROUTES;
}

function newApp(running: RunningFunction, telemetry: Telemetry, routes: HttpRoutes): App {
  const services: HttpServices = {
    broker: running.broker.services,
    auth: authenticatorOf(running),
    telemetry,
    settings: {
      ...DEFAULT_HTTP_SETTINGS,
      corsOrigins: running.settings.corsOrigins,
      bodyBytesMax: FUNCTION_BODY_BYTES_MAX,
      binaryBytesMax: FUNCTION_BODY_BYTES_MAX,
      streamMsMax: STREAM_MS_MAX,
    },
    stopping: new AbortController().signal,
    clientAddress,
    bodyOfGet,
    ledger: running.ledger,
  };
  return createHttpApp(services, routes);
}

function clientAddress(environment: unknown): string | undefined {
  return isOrigin(environment) ? environment.requestContext.http.sourceIp : undefined;
}

function bodyOfGet(environment: unknown): ReadableStream<Uint8Array> | undefined {
  if (!isOrigin(environment) || !environment.event.body) return undefined;
  const { body, isBase64Encoded } = environment.event;
  return new Blob([Buffer.from(body, isBase64Encoded ? "base64" : "utf8")]).stream();
}

function isOrigin(environment: unknown): environment is RequestOrigin {
  return typeof environment === "object" && environment !== null && "requestContext" in environment;
}

/** Each metric of each function is charged by the month, so only these two are; logs tell the rest. */
const METRICS: ReadonlySet<string> = new Set([HTTP_REQUESTS.name, HTTP_REQUEST_SECONDS.name]);

/** Figures as lines of the log, at most once a minute: a line for each call would cost more than the call. */
class Metrics {
  readonly telemetry: Telemetry;
  readonly #emf: EmfTelemetry;
  #flushedAtMs = Number.NEGATIVE_INFINITY;

  constructor(functionName: string) {
    const emf = new EmfTelemetry({ clock, functionName, write: (line) => process.stdout.write(`${line}\n`) });
    this.#emf = emf;
    this.telemetry = {
      count: (metric, ...rest) => METRICS.has(metric.name) && emf.count(metric, ...rest),
      observe: (metric, ...rest) => METRICS.has(metric.name) && emf.observe(metric, ...rest),
      gauge() {},
    };
  }

  flushIfDue(): void {
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#flushedAtMs < FUNCTION_METRICS_MS) return;
    this.#flushedAtMs = nowMs;
    this.#emf.flush();
  }
}

/**
 * Sees to it that no answer comes from an old view: after a sleep all opened journals are read on, in a busy environment
 * now and then that of the cluster, where keys and settings change. Answers that say no read strongly anyway.
 */
class Views {
  #clusterAtMs: number;

  /** No later than when the cluster's journal was read first. */
  constructor(readAtMs: number) {
    this.#clusterAtMs = readAtMs;
  }

  async refresh({ chores }: Broker, restedMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#clusterAtMs < FUNCTION_VIEW_MS_MAX) return;
    this.#clusterAtMs = nowMs;
    await chores.catchUp(restedMs >= FUNCTION_VIEW_MS_MAX ? "opened" : "cluster", signal);
  }
}
