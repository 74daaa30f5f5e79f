import type { GroupMember } from "./group-protocol.ts";

const TICK_MS = 10;

/** Sends each member's heartbeats at their interval, the members one after the other and evenly spread over it. */
export class Pulse implements Disposable {
  readonly perSecond: number;
  readonly #members: readonly GroupMember[];
  readonly #beganMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #answered = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(members: readonly GroupMember[], intervalMs: number) {
    this.#members = members;
    this.perSecond = (members.length / intervalMs) * 1_000;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Heartbeats that were answered so far. */
  get answered(): number {
    return this.#answered;
  }

  /** Fails as the first heartbeat did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const due = ((performance.now() - this.#beganMs) / 1_000) * this.perSecond;
    for (; this.#sent < due; this.#sent++) {
      const member = this.#members[this.#sent % this.#members.length];
      member?.heartbeat().then(
        () => {
          this.#answered += 1;
        },
        (error: unknown) => {
          this.#failure ??= { error };
        },
      );
    }
  }
}
