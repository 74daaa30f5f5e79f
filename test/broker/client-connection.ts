import type { ApiRouter } from "#lib/broker/api-router.ts";
import type { Api } from "#lib/protocol/apis.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame } from "#lib/protocol/response-frame.ts";
import type { Fields, Infer, InferInput } from "#lib/protocol/schema.ts";
import { abortable } from "#lib/runtime/deadline.ts";

const LISTENER = { name: "PLAINTEXT", advertisedHost: "localhost", advertisedPort: 9092 };
const SIZE_BYTES = 4;

/** What a TCP connection is to the router: requests are admitted in their order, answers come when they come. */
export class ClientConnection {
  readonly #router: ApiRouter;
  readonly #signal: AbortSignal;
  #admitted: Promise<unknown> = Promise.resolve();
  #correlationId = 0;

  /** `signal` aborts when the broker is gone. */
  constructor(router: ApiRouter, signal: AbortSignal) {
    this.#router = router;
    this.#signal = signal;
  }

  /** Undefined if the connection broke first: nobody knows what became of the request. */
  async send<Q extends Fields, R extends Fields>(
    api: Api<Q, R>,
    apiVersion: number,
    request: InferInput<Q>,
  ): Promise<Infer<R> | undefined> {
    if (this.#signal.aborted) return undefined;
    const header = { apiVersion, correlationId: this.#correlationId++, clientId: "simulation" };
    const frame = Buffer.concat(encodeRequestFrame(api, header, request)).subarray(SIZE_BYTES);
    const info = { listener: LISTENER, clientAddress: "client:1", signal: this.#signal };
    const earlier = this.#admitted;
    const admission = earlier.then(() => this.#router.route(frame, info).admit());
    this.#admitted = admission.catch(() => {});
    try {
      const answer = await abortable(
        admission.then(({ response }) => response),
        this.#signal,
      );
      if (typeof answer === "string") return undefined;
      return decodeResponseFrame(api, apiVersion, Buffer.concat(answer).subarray(SIZE_BYTES));
    } catch (error) {
      // An admission that fails closes the connection, and that only an unreachable journal may do here.
      if (this.#signal.aborted || (error instanceof Error && "kind" in error && error.kind === "unavailable"))
        return undefined;
      throw error;
    }
  }
}
