import type { HostPort } from "#lib/config/host-port.ts";
import { SUPERVISED_ENVIRONMENT } from "#lib/config/serve-settings.ts";

// What a broker and the supervisor that runs it say to each other: the broker sends messages, and each notices that the
// other is gone by the end of their channel.

export type BrokerMessage =
  | { readonly kind: "listening"; readonly kafka: readonly HostPort[]; readonly http?: HostPort | undefined }
  /** As far as this broker sees, all brokers are registered and each log journal is led as it is to be. */
  | { readonly kind: "settled" }
  | StartFailure;

export interface StartFailure {
  readonly kind: "failed";
  readonly text: string;
  /** The exit status that goes with it. */
  readonly status: number;
  /** `passing`: the same start may succeed later; `damage`: of what all brokers share. */
  readonly reason: "passing" | "lasting" | "damage";
}

/** A supervised broker's side. */
export class SupervisorLink {
  /** How many brokers there are to be. The environment says it. */
  readonly brokerCount: number;

  private constructor(brokerCount: number) {
    this.brokerCount = brokerCount;
  }

  /** Undefined in a process that was started by itself. */
  static find(): SupervisorLink | undefined {
    const brokerCount = Number(process.env[SUPERVISED_ENVIRONMENT]);
    return process.connected && brokerCount > 0 ? new SupervisorLink(brokerCount) : undefined;
  }

  /** Resolves when the message is on its way, or the supervisor is gone. */
  tell(message: BrokerMessage): Promise<void> {
    return new Promise((resolve) => {
      if (process.connected) process.send?.(message, () => resolve());
      else resolve();
    });
  }

  onGone(listener: () => void): void {
    if (process.connected) process.once("disconnect", listener);
    else listener();
  }
}
