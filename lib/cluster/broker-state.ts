import type { BrokerId, JournalSeq, StoreId, Uuid } from "#lib/util/branded.ts";

/** Where clients of one listener reach a broker. */
export interface BrokerEndpoint {
  /** The listener's name. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/**
 * `running` until it stops in order or somebody has missed its signs of life. A fenced one may be alive all the same: its
 * next heartbeat makes it run again.
 */
export const BROKER_STATUSES = ["running", "fenced", "stopped"] as const;
export type BrokerStatus = (typeof BROKER_STATUSES)[number];

/** A broker id as the process that registered it last described itself. */
export interface BrokerState {
  readonly brokerId: BrokerId;
  /** Drawn at each start of a process (KIP-631). */
  readonly incarnation: Uuid;
  /** The number of the record that registered this incarnation. */
  readonly brokerEpoch: JournalSeq;
  /** Its home: where its replicas are. */
  readonly storeId: StoreId;
  readonly rack: string | null;
  readonly endpoints: readonly BrokerEndpoint[];
  /** The number of the record with its last sign of life: its registration, or a heartbeat. */
  seenSeq: JournalSeq;
  status: BrokerStatus;
}
