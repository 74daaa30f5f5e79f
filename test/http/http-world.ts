import { type HttpAuthenticator, OPEN_ACCESS } from "#lib/http/access.ts";
import { createHttpApp, type HttpRoutes } from "#lib/http/app.ts";
import { DEFAULT_HTTP_SETTINGS, type HttpSettings } from "#lib/http/http-services.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { prometheusText } from "#lib/runtime/prometheus-text.ts";
import { type MemoryBroker, type MemoryBrokerOptions, startMemoryBroker } from "../support/memory-broker.ts";

export interface HttpWorldOptions extends MemoryBrokerOptions {
  readonly settings?: Partial<HttpSettings>;
  readonly auth?: HttpAuthenticator;
  /** All of them from the start where left out. */
  readonly routes?: HttpRoutes;
}

export interface JsonAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at answers of every shape.
  readonly body: any;
}

/** The whole app over a whole broker in memory. */
export class HttpWorld implements AsyncDisposable {
  readonly broker: MemoryBroker;
  readonly app: ReturnType<typeof createHttpApp>;
  readonly telemetry = new MetricRegistry();
  readonly #stopping = new AbortController();

  static async start(options: HttpWorldOptions = {}): Promise<HttpWorld> {
    return new HttpWorld(await startMemoryBroker(options), options);
  }

  /** Over a broker that runs already, and ends with it. */
  static over(broker: MemoryBroker, options: HttpWorldOptions = {}): HttpWorld {
    return new HttpWorld(broker, options);
  }

  private constructor(
    broker: MemoryBroker,
    { settings = {}, auth = OPEN_ACCESS, routes = { first: ROUTES } }: HttpWorldOptions,
  ) {
    this.broker = broker;
    this.app = createHttpApp(
      {
        broker: broker.broker.services,
        auth,
        telemetry: this.telemetry,
        settings: { ...DEFAULT_HTTP_SETTINGS, ...settings },
        stopping: this.#stopping.signal,
        metricsText: async () => prometheusText(this.telemetry.samples()),
      },
      routes,
    );
  }

  /** What a process says when it begins to stop. */
  stop(): void {
    this.#stopping.abort();
  }

  async request(path: string, init: RequestInit = {}): Promise<Response> {
    return this.app.request(path, init);
  }

  async json(path: string, init: RequestInit = {}): Promise<JsonAnswer> {
    const response = await this.request(path, init);
    const text = await response.text();
    const type = response.headers.get("content-type");
    const body = type?.includes("json") === true ? JSON.parse(text) : text;
    return { status: response.status, type, headers: response.headers, body };
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<JsonAnswer> {
    const type = {
      "content-type": /^\/v[13]\//.test(path) ? "application/json" : "application/vnd.kafka.json.v2+json",
    };
    return this.json(path, {
      method: "POST",
      headers: { ...type, ...headers },
      body:
        typeof body === "string" || body instanceof Uint8Array
          ? Uint8Array.from(Buffer.from(body))
          : JSON.stringify(body),
    });
  }

  async createTopic(name: string, partitionCount = 1, configs: Record<string, string> = {}): Promise<void> {
    const { topicAdmin } = this.broker.broker.services;
    const topic = { name, partitionCount, replicationFactor: -1, configs: new Map(Object.entries(configs)) };
    const result = await topicAdmin.createTopic(topic, { validateOnly: false, signal: AbortSignal.timeout(5_000) });
    if (result.kind === "refused") throw new Error(result.message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.broker[Symbol.asyncDispose]();
  }
}

export const base64 = (text: string): string => Buffer.from(text).toString("base64");
export const text = (encoded: string | null): string | null =>
  encoded === null ? null : Buffer.from(encoded, "base64").toString();

/** One number of what `/metrics` shows, all labels together. */
export function figure(telemetry: MetricRegistry, name: string): number {
  for (const each of telemetry.samples()) {
    if (each.metric.name !== name) continue;
    if ("value" in each) return each.value;
    return each.samples.reduce((sum, sample) => sum + ("value" in sample ? sample.value : 0), 0);
  }
  return 0;
}
