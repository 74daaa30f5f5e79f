import { type BrokerMessage, parseSupervisorMessage } from "#lib/config/broker-message.ts";
import { SUPERVISED_ENVIRONMENT } from "#lib/config/serve-settings.ts";

/** What a broker has of the supervisor that runs it: a channel, whose end tells each that the other is gone. */
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

  /** Calls `listener` when the process of another broker has ended. */
  onBrokerEnded(listener: (brokerId: number) => void): void {
    process.on("message", (message: unknown) => listener(parseSupervisorMessage(message).brokerId));
  }

  onGone(listener: () => void): void {
    if (process.connected) process.once("disconnect", listener);
    else listener();
  }
}
