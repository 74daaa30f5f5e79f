import { type Api, Apis } from "#lib/protocol/apis.ts";
import { ErrorCode, errorName } from "#lib/protocol/error-code.ts";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { ProtocolReader } from "#lib/protocol/protocol-reader.ts";
import { encodeRequestFrame, type RequestHeaderInput } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame, responseCorrelationId } from "#lib/protocol/response-frame.ts";
import type { Fields, Infer, InferInput } from "#lib/protocol/schema.ts";
import type { VersionRange } from "#lib/protocol/versions.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import type { LogError } from "#lib/util/errors.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { ConnectionLostError, NoCommonVersionError } from "./errors.ts";
import { type HttpsEndpoint, HttpsTransport } from "./https-transport.ts";
import { SocketTransport } from "./socket-transport.ts";
import type { Transport, TransportListener } from "./transport.ts";

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
}

type ApiVersionsFields = (typeof Apis.API_VERSIONS)["request"]["fields"];

interface Pending {
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onLost: (error: Error) => void;
}

/**
 * One connection to a broker. Requests may be sent without waiting for earlier answers; answers are matched by
 * correlation id. Time limits are the caller's: every call takes a signal and rejects with its reason.
 */
export class KafkaConnection implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #clientId: string;
  readonly #frames = new FrameSplitter(REQUEST_BYTES_MAX);
  readonly #pending = new Map<number, Pending>();
  readonly #brokerVersions = new Map<number, VersionRange>();
  #correlationId = 0;
  #lost: Error | undefined;

  /** Connects over TCP, without asking for versions yet. Fails with `ConnectionLostError`. */
  static async open({ clientId, ...endpoint }: ConnectOptions, signal?: AbortSignal): Promise<KafkaConnection> {
    const listener = new LateListener();
    const transport = await SocketTransport.open(endpoint, listener, signal);
    return new KafkaConnection(transport, listener, clientId);
  }

  /** Speaks over HTTPS; nothing is sent before the first request. */
  static overHttps(endpoint: HttpsEndpoint, clientId: string): KafkaConnection {
    const listener = new LateListener();
    return new KafkaConnection(new HttpsTransport(endpoint, listener), listener, clientId);
  }

  private constructor(transport: Transport, listener: LateListener, clientId: string) {
    this.#transport = transport;
    this.#clientId = clientId;
    listener.bind({ onBytes: (chunk) => this.#receive(chunk), onLost: (error) => this.#lose(error) });
  }

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  /** Asks the broker what it speaks (ApiVersions v3, or v0 if it answers UNSUPPORTED_VERSION); `versionOf` then knows. */
  async negotiate(signal?: AbortSignal): Promise<void> {
    const software = { clientSoftwareName: "millrace", clientSoftwareVersion: "0.1.0" };
    let answer = await this.#askVersions(3, software, signal);
    if (answer.errorCode === ErrorCode.UNSUPPORTED_VERSION) answer = await this.#askVersions(0, {}, signal);
    if (answer.errorCode !== ErrorCode.NONE) {
      throw new NoCommonVersionError(
        `${this.#transport.address} answers ApiVersions with ${errorName(answer.errorCode)}`,
      );
    }
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys) {
      this.#brokerVersions.set(apiKey, { min: minVersion, max: maxVersion });
    }
  }

  /** The highest version that both sides speak, as of `negotiate`. Fails with `NoCommonVersionError`. */
  versionOf(api: Api): number {
    const broker = this.#brokerVersions.get(api.apiKey);
    if (broker === undefined) throw new NoCommonVersionError(`${this.#transport.address} does not offer ${api.name}`);
    const version = Math.min(api.stableVersions.max, broker.max);
    if (version < Math.max(api.stableVersions.min, broker.min)) {
      throw new NoCommonVersionError(
        `${this.#transport.address} offers ${api.name} v${broker.min} to v${broker.max} only`,
      );
    }
    return version;
  }

  /**
   * Sends a request and resolves with its answer. Fails with `ProtocolError` if the request cannot be said in that
   * version or the answer cannot be read, and with `ConnectionLostError`.
   */
  async send<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    version: number,
    request: InferInput<Req>,
    signal?: AbortSignal,
  ): Promise<Infer<Res>> {
    const header = this.#nextHeader(version);
    const read = (frame: Uint8Array) => decodeResponseFrame(api, version, frame);
    return this.#exchange(header.correlationId, encodeRequestFrame(api, header, request), read, signal);
  }

  /** Sends a request that has no answer: Produce with acks=0. */
  sendWithoutAnswer<Req extends Fields>(api: Api<Req>, version: number, request: InferInput<Req>): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#transport.write(encodeRequestFrame(api, this.#nextHeader(version), request));
  }

  /**
   * Resolves when the broker has read everything that was sent without an answer: what is sent then cannot overtake it.
   * Fails with `ConnectionLostError`.
   */
  async delivered(signal: AbortSignal): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#transport.delivered === undefined) await this.negotiate(signal);
    else await abortable(this.#transport.delivered(), signal);
  }

  /** Closes; requests that are not answered fail with `ConnectionLostError`. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #askVersions(version: number, request: InferInput<ApiVersionsFields>, signal?: AbortSignal) {
    const api = Apis.API_VERSIONS;
    // A broker that does not know our version answers in the form of v0, whatever was asked (KIP-511).
    const read = (frame: Uint8Array) => {
      const reader = new ProtocolReader(frame);
      reader.int32();
      const isFallback = reader.int16() === ErrorCode.UNSUPPORTED_VERSION;
      return decodeResponseFrame(api, isFallback ? 0 : version, frame);
    };
    const header = this.#nextHeader(version);
    return this.#exchange(header.correlationId, encodeRequestFrame(api, header, request), read, signal);
  }

  #nextHeader(apiVersion: number): RequestHeaderInput {
    this.#correlationId = (this.#correlationId + 1) & 0x7fff_ffff;
    return { apiVersion, correlationId: this.#correlationId, clientId: this.#clientId };
  }

  async #exchange<T>(
    correlationId: number,
    request: readonly Uint8Array[],
    read: (frame: Uint8Array) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    if (this.#lost !== undefined) throw this.#lost;
    const answer = deferred<Uint8Array>();
    // After an abort the entry stays, so that the late answer is known for what it is.
    const onAbort = () => answer.reject(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    this.#pending.set(correlationId, { onFrame: answer.resolve, onLost: answer.reject });
    this.#transport.write(request);
    try {
      return read(await answer.promise);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        const correlationId = responseCorrelationId(frame);
        const pending = this.#pending.get(correlationId);
        if (pending === undefined) throw new ProtocolError(`answer to a request that was not sent: ${correlationId}`);
        this.#pending.delete(correlationId);
        pending.onFrame(frame);
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#lose(new ConnectionLostError(`${this.#transport.address}: ${text}`, { cause: error }));
      void this.#transport.close();
    }
  }

  #lose(error: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    for (const { onLost } of this.#pending.values()) onLost(error);
    this.#pending.clear();
  }
}

/** Stands in for the connection while its transport is being opened: nothing comes before it is asked for anything. */
class LateListener implements TransportListener {
  #listener: TransportListener | undefined;

  bind(listener: TransportListener): void {
    this.#listener = listener;
  }

  onBytes(chunk: Uint8Array): void {
    this.#listener?.onBytes(chunk);
  }

  onLost(error: LogError): void {
    this.#listener?.onLost(error);
  }
}
