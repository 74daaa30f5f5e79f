import { TimeLimitError } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { LogError } from "#lib/util/errors.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimBroker } from "./sim-broker.ts";

export type Reply<T> =
  | { readonly kind: "answer"; readonly value: T }
  /** The process answered nothing in time, died or broke off: nobody knows what it did. */
  | { readonly kind: "none" };

/** What a process does with a request: admitted in the order of arrival, answered whenever it is. */
export type Service<T> = (broker: SimBroker, signal: AbortSignal) => Promise<{ readonly answer: Promise<T> }>;

/** A client's connection to one process: requests arrive in the order in which they were sent, or never. */
export class Connection {
  readonly name: string;
  readonly broker: SimBroker;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  /** Of the server's side; aborted when it hears that the client has hung up. */
  readonly #controller = new AbortController();
  readonly #onClose = new Set<() => void>();
  #admission: Promise<unknown> = Promise.resolve();
  #arrivedMs = 0;
  #isClosed = false;

  constructor(name: string, broker: SimBroker, scheduler: Scheduler, random: SeededRandom) {
    this.name = name;
    this.broker = broker;
    this.#scheduler = scheduler;
    this.#random = random;
    broker.host.onDeath(() => scheduler.schedule(this.#delayMs(), () => this.close()));
    if (broker.host.isDead) this.#isClosed = true;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  call<T>(service: Service<T>, timeoutMs: number): Promise<Reply<T>> {
    return new Promise((resolve) => {
      if (this.#isClosed) {
        this.#scheduler.schedule(this.#delayMs(), () => resolve({ kind: "none" }));
        return;
      }
      const settle = (reply: Reply<T>): void => {
        timer.cancel();
        this.#onClose.delete(onClose);
        resolve(reply);
      };
      const onClose = () => settle({ kind: "none" });
      this.#onClose.add(onClose);
      const timer = this.#scheduler.schedule(timeoutMs, () => this.close());
      this.#arrivedMs = Math.max(this.#arrivedMs, this.#scheduler.elapsedMs + this.#delayMs());
      this.broker.host.deliver(this.#arrivedMs - this.#scheduler.elapsedMs, () => {
        if (this.#controller.signal.aborted) return;
        void this.#serve(service).then((reply) => {
          this.#scheduler.schedule(this.#delayMs(), () => {
            if (!this.#isClosed) settle(reply);
          });
        });
      });
    });
  }

  /** Hangs up: nothing more is heard, and the process learns of it soon. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const onClose of [...this.#onClose]) onClose();
    this.broker.host.deliver(this.#delayMs(), () => this.#controller.abort(new Error("the client hung up")));
  }

  async #serve<T>(service: Service<T>): Promise<Reply<T>> {
    const { signal } = this.#controller;
    const admitted = this.#admission.then(() => service(this.broker, signal));
    this.#admission = admitted.catch(() => undefined);
    try {
      const { answer } = await admitted;
      return { kind: "answer", value: await answer };
    } catch (error) {
      const isExpected = error instanceof LogError || error instanceof TimeLimitError || signal.aborted;
      if (!isExpected) this.broker.options.onError("a request failed", { error: describeError(error) });
      // The door would answer an error that says as little.
      return { kind: "none" };
    }
  }

  #delayMs(): number {
    return 0.1 + this.#random.below(300) / 100;
  }
}
