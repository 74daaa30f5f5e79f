import type { BrokerId, JournalSeq, Uuid } from "#lib/util/branded.ts";
import type { BrokerState } from "./broker-state.ts";

// Commands about brokers, all from feature level 4 on.

export type BrokerCommand = RegisterBrokerCommand | BrokerHeartbeatCommand | FenceBrokerCommand | StopBrokerCommand;

/** How a broker stood when somebody looked: whoever acts on it names this, and the fold refuses what has moved since. */
export type SeenBroker = Pick<BrokerState, "brokerEpoch" | "seenSeq">;

/**
 * Takes a broker id for one start of a process. Refused while another start of it runs, unless `replaces` names that very
 * one as it stands: its proposer knows that it is dead.
 */
export interface RegisterBrokerCommand
  extends Pick<BrokerState, "brokerId" | "incarnation" | "storeId" | "rack" | "endpoints"> {
  readonly kind: "register-broker";
  readonly incarnation: Uuid;
  readonly replaces: SeenBroker | undefined;
}

/** A sign of life. A fenced broker runs again. */
export interface BrokerHeartbeatCommand {
  readonly kind: "broker-heartbeat";
  readonly brokerId: BrokerId;
  readonly brokerEpoch: JournalSeq;
}

/** Says that a broker has given no sign of life since the one named, for longer than its session lasts. */
export interface FenceBrokerCommand extends SeenBroker {
  readonly kind: "fence-broker";
  readonly brokerId: BrokerId;
}

/** The orderly end of a broker. */
export interface StopBrokerCommand {
  readonly kind: "stop-broker";
  readonly brokerId: BrokerId;
  readonly brokerEpoch: JournalSeq;
}
