import { connect, isIP, type OnReadOpts, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls } from "node:tls";
import { KIB } from "#lib/util/limits.ts";
import { AnswerReader, type HttpAnswer } from "./answer-reader.ts";

export interface Origin {
  readonly isSecure: boolean;
  readonly host: string;
  readonly port: number;
}

/** The connection ended before a byte of the answer had come. */
export class UnansweredError extends Error {
  override readonly name = "UnansweredError";
  /** As Node's own client has it. */
  readonly code = "ECONNRESET";
}

interface Exchange {
  readonly reader: AnswerReader;
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: unknown) => void;
}

const KEEP_ALIVE_PROBE_MS = 1_000;

/** What comes before a body, and some of it: what is behind goes to its place without a copy. Used within one turn. */
const SCRATCH = new Uint8Array(16 * KIB);

/**
 * A connection to an HTTP service that reads bodies straight into their place. Node's own client allocates every byte
 * twice, in pieces of 64 KiB, as it reads from the socket and again as it takes them for the body; V8 collects its whole
 * heap for every 64 MB of these, which cost half of what reading from S3 takes.
 */
export class ReadConnection {
  readonly #socket: Socket;
  #exchange: Exchange | undefined;
  #hasReceived = false;
  #isOpen = true;

  /** `onClose` is called once, at the end, whoever ended it. */
  constructor(origin: Origin, options: { readonly connectMsMax: number; readonly onClose: () => void }) {
    this.#socket = openSocket(origin, {
      buffer: () => this.#exchange?.reader.memory ?? SCRATCH,
      callback: (byteLength, memory) => {
        this.#received(memory.subarray(0, byteLength));
        return true;
      },
    });
    const { connectMsMax, onClose } = options;
    this.#socket.setTimeout(connectMsMax, () => this.#fail(connectTimeout(connectMsMax)));
    this.#socket.once(origin.isSecure ? "secureConnect" : "connect", () => this.#socket.setTimeout(0));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => {
      this.#ended();
      onClose();
    });
  }

  /** Whether a request may be sent, as far as is known: the service may be ending the connection just now. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Sends `request`, which has no body, and reads its answer. One at a time. Fails with `UnansweredError`,
   * `BadAnswerError`, the system's errors, or the signal's reason; then the connection is ended, and nothing more is
   * written to the target.
   */
  async get(request: string, target: Uint8Array, signal: AbortSignal): Promise<HttpAnswer> {
    signal.throwIfAborted();
    const onAbort = () => this.#fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await new Promise<HttpAnswer>((resolve, reject) => {
        this.#hasReceived = false;
        this.#exchange = { reader: new AnswerReader(target, SCRATCH), resolve, reject };
        // While nothing is asked, the connection does not keep the process alive.
        this.#socket.ref();
        this.#socket.write(request, "latin1");
      });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  destroy(): void {
    this.#fail(new UnansweredError("the connection was closed"));
  }

  #received(bytes: Uint8Array): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.destroy();
      return;
    }
    this.#hasReceived = true;
    try {
      exchange.reader.received(bytes);
      this.#settle(exchange);
    } catch (error) {
      this.#fail(error);
    }
  }

  #settle({ reader, resolve }: Exchange): void {
    const { answer } = reader;
    if (answer === undefined) return;
    this.#exchange = undefined;
    if (answer.isReusable) this.#socket.unref();
    else this.destroy();
    resolve(answer);
  }

  /** The connection is gone. */
  #ended(): void {
    const exchange = this.#exchange;
    this.#isOpen = false;
    if (exchange === undefined) return;
    try {
      if (!this.#hasReceived) throw new UnansweredError("socket hang up");
      exchange.reader.ended();
      this.#settle(exchange);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#isOpen = false;
    this.#socket.destroy();
    exchange?.reject(this.#hasReceived || !isReset(error) ? error : new UnansweredError("socket hang up"));
  }
}

function openSocket({ isSecure, host, port }: Origin, onread: OnReadOpts): Socket {
  const options: TcpNetConnectOpts = {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    onread,
  };
  if (!isSecure) return connect(options);
  // An address is no name that a server could be asked for.
  return connectTls({ ...options, ALPNProtocols: ["http/1.1"], ...(isIP(host) === 0 ? { servername: host } : {}) });
}

function isReset(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
}

/** By the name that Node's handler of the SDK gives it. */
function connectTimeout(ms: number): Error {
  return Object.assign(new Error(`no connection within ${ms} ms`), { name: "TimeoutError" });
}
