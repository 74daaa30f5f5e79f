import type { Api } from "#lib/protocol/apis.ts";
import type { Fields, Infer, InferInput } from "#lib/protocol/schema.ts";
import { backOffMs } from "#lib/runtime/back-off.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { BrokerId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { CLIENT_BACK_OFF_MS_MAX, CLIENT_BACK_OFF_MS_MIN, CLIENT_REQUEST_MS_MAX } from "#lib/util/limits.ts";
import { ConnectionLostError } from "./errors.ts";
import type { HttpsEndpoint } from "./https-transport.ts";
import { KafkaConnection } from "./kafka-connection.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface KafkaClientOptions {
  /** Asked in this order for whatever any broker can answer, before those that are learnt of; or one door over HTTPS, which answers everything. */
  readonly bootstrap: readonly Endpoint[] | HttpsEndpoint;
  readonly clientId: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Destination {
  /** Left out: any broker. */
  readonly nodeId?: BrokerId | undefined;
  readonly signal: AbortSignal;
  /** Left out: as high as both sides go. */
  readonly versionMax?: number;
}

export interface RetryLimits {
  /** Counted from the first try. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called before each wait. */
  readonly onRetry?: (error: Error) => void;
}

/** Connections to a cluster's brokers, made when they are needed and again after they were lost. */
export class KafkaClient implements AsyncDisposable {
  readonly clock: Clock;
  readonly #options: KafkaClientOptions;
  readonly #connections = new Map<string, Promise<KafkaConnection>>();
  readonly #brokers = new Map<BrokerId, Endpoint>();

  constructor(options: KafkaClientOptions) {
    this.#options = options;
    this.clock = options.clock;
  }

  /** Where brokers are, as the newest Metadata answer says. */
  learnBrokers(brokers: readonly (Endpoint & { readonly nodeId: BrokerId })[]): void {
    this.#brokers.clear();
    for (const { nodeId, host, port } of brokers) this.#brokers.set(nodeId, { host, port });
  }

  /** Where one broker is, as another answer than Metadata says. */
  learnBroker({ nodeId, host, port }: Endpoint & { readonly nodeId: BrokerId }): void {
    this.#brokers.set(nodeId, { host, port });
  }

  /** A connection to one broker, or to any if none is named. Fails with `ConnectionLostError`. */
  async connection(nodeId: BrokerId | undefined, signal: AbortSignal): Promise<KafkaConnection> {
    const { bootstrap } = this.#options;
    if ("url" in bootstrap) return this.#connectOverHttps(bootstrap, signal);
    const known = nodeId === undefined ? undefined : this.#brokers.get(nodeId);
    if (nodeId !== undefined && known === undefined) {
      throw new ConnectionLostError(`broker ${nodeId} is not in the cluster's metadata`);
    }
    const problems: string[] = [];
    for (const endpoint of known === undefined ? this.#anyBroker(bootstrap) : [known]) {
      try {
        return await this.#connect(endpoint, signal);
      } catch (error) {
        if (!(error instanceof LogError) || error.kind !== "unavailable") throw error;
        problems.push(error.message);
      }
    }
    throw new ConnectionLostError(problems.join("; "));
  }

  /** Sends a request in the highest version that both sides speak; gives up after 30 s, and the connection with it. */
  async send<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    request: InferInput<Req>,
    to: Destination,
  ): Promise<Infer<Res>> {
    return this.sendAs(api, () => request, to);
  }

  /** `send` where older versions say the same in other fields: `requestOf` is told the version. */
  async sendAs<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    requestOf: (version: number) => InferInput<Req>,
    to: Destination,
  ): Promise<Infer<Res>> {
    using limit = timeLimit(this.clock, CLIENT_REQUEST_MS_MAX, to.signal);
    const connection = await this.connection(to.nodeId, limit.signal);
    try {
      const version = Math.min(connection.versionOf(api), to.versionMax ?? Number.POSITIVE_INFINITY);
      return await connection.send(api, version, requestOf(version), limit.signal);
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error;
      // What else waits there would wait as long.
      await connection.close();
      throw new ConnectionLostError(`${api.name}: ${error.message}`, { cause: error });
    }
  }

  /** Runs `work` until it succeeds, fails for good, or the time is over; then fails as the last try did. */
  async retrying<T>(work: () => Promise<T>, limits: RetryLimits): Promise<T> {
    const end = this.clock.monotonicMs() + limits.timeoutMs;
    const range = { minMs: CLIENT_BACK_OFF_MS_MIN, maxMs: CLIENT_BACK_OFF_MS_MAX };
    for (let attempt = 1; ; attempt++) {
      limits.signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        const isRetriable = error instanceof LogError && error.kind === "unavailable";
        const waitMs = backOffMs(attempt, range, this.#options.random);
        if (!isRetriable || this.clock.monotonicMs() + waitMs > end) throw error;
        limits.onRetry?.(error);
        await this.clock.sleep(waitMs, limits.signal);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#connections.values());
    this.#connections.clear();
    await Promise.all(opened.map((each) => (each.status === "fulfilled" ? each.value.close() : undefined)));
  }

  /** Those named at the start, then those that were learnt of: the former may be gone by now. */
  #anyBroker(bootstrap: readonly Endpoint[]): readonly Endpoint[] {
    const isNamed = ({ host, port }: Endpoint) => bootstrap.some((each) => each.host === host && each.port === port);
    return [...bootstrap, ...[...this.#brokers.values()].filter((endpoint) => !isNamed(endpoint))];
  }

  #connect(endpoint: Endpoint, signal: AbortSignal): Promise<KafkaConnection> {
    const open = () => KafkaConnection.open({ ...endpoint, clientId: this.#options.clientId }, signal);
    return this.#shared(`${endpoint.host}:${endpoint.port}`, () => this.#negotiated(open(), signal));
  }

  #connectOverHttps(endpoint: HttpsEndpoint, signal: AbortSignal): Promise<KafkaConnection> {
    const open = async () => KafkaConnection.overHttps(endpoint, this.#options.clientId);
    return this.#shared(endpoint.url.href, () => this.#negotiated(open(), signal));
  }

  async #shared(name: string, open: () => Promise<KafkaConnection>): Promise<KafkaConnection> {
    for (let made = this.#connections.get(name); made !== undefined; made = this.#connections.get(name)) {
      // Callers share one attempt; what it did not open, or has closed since, the next one opens anew.
      const connection = await made.catch(() => undefined);
      if (connection?.isOpen === true) return connection;
      if (this.#connections.get(name) === made) this.#connections.delete(name);
    }
    const opening = open();
    this.#connections.set(name, opening);
    return opening;
  }

  async #negotiated(opening: Promise<KafkaConnection>, signal: AbortSignal): Promise<KafkaConnection> {
    const connection = await opening;
    try {
      await connection.negotiate(signal);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }
}
