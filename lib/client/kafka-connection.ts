import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Api, Apis } from "#lib/protocol/apis.ts";
import { ErrorCode, errorName } from "#lib/protocol/error-code.ts";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { ProtocolReader } from "#lib/protocol/protocol-reader.ts";
import { encodeRequestFrame, type RequestHeaderInput } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame, responseCorrelationId } from "#lib/protocol/response-frame.ts";
import type { Fields, Infer, InferInput } from "#lib/protocol/schema.ts";
import type { VersionRange } from "#lib/protocol/versions.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { ConnectionLostError, NoCommonVersionError } from "./errors.ts";

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
  readonly #socket: Socket;
  readonly #address: string;
  readonly #clientId: string;
  readonly #frames = new FrameSplitter(REQUEST_BYTES_MAX);
  readonly #pending = new Map<number, Pending>();
  readonly #brokerVersions = new Map<number, VersionRange>();
  #correlationId = 0;
  #lost: Error | undefined;

  /** Connects, without asking for versions yet. Fails with `ConnectionLostError`. */
  static async open(options: ConnectOptions, signal?: AbortSignal): Promise<KafkaConnection> {
    const address = `${options.host}:${options.port}`;
    signal?.throwIfAborted();
    const socket = connect({ host: options.host, port: options.port, noDelay: true });
    try {
      await once(socket, "connect", signal === undefined ? {} : { signal });
    } catch (error) {
      socket.destroy();
      signal?.throwIfAborted();
      throw new ConnectionLostError(`cannot connect to ${address}: ${textOf(error)}`, { cause: error });
    }
    return new KafkaConnection(socket, address, options.clientId);
  }

  private constructor(socket: Socket, address: string, clientId: string) {
    this.#socket = socket;
    this.#address = address;
    this.#clientId = clientId;
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("error", (error) => this.#lose(error.message, error));
    socket.on("close", () => this.#lose("connection closed"));
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
      throw new NoCommonVersionError(`${this.#address} answers ApiVersions with ${errorName(answer.errorCode)}`);
    }
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys) {
      this.#brokerVersions.set(apiKey, { min: minVersion, max: maxVersion });
    }
  }

  /** The highest version that both sides speak, as of `negotiate`. Fails with `NoCommonVersionError`. */
  versionOf(api: Api): number {
    const broker = this.#brokerVersions.get(api.apiKey);
    if (broker === undefined) throw new NoCommonVersionError(`${this.#address} does not offer ${api.name}`);
    const version = Math.min(api.stableVersions.max, broker.max);
    if (version < Math.max(api.stableVersions.min, broker.min)) {
      throw new NoCommonVersionError(`${this.#address} offers ${api.name} v${broker.min} to v${broker.max} only`);
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
    this.#write(encodeRequestFrame(api, this.#nextHeader(version), request));
  }

  /** Sends what is written already and closes; requests without an answer fail with `ConnectionLostError`. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = deferred<void>();
    this.#socket.once("close", () => closed.resolve());
    this.#socket.end(() => this.#socket.destroy());
    await closed.promise;
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
    this.#write(request);
    try {
      return read(await answer.promise);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #write(chunks: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.uncork();
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
      this.#lose(textOf(error), error);
      this.#socket.destroy();
    }
  }

  #lose(reason: string, cause?: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = new ConnectionLostError(`${this.#address}: ${reason}`, { cause });
    for (const { onLost } of this.#pending.values()) onLost(this.#lost);
    this.#pending.clear();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
