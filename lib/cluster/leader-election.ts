import type { LogState } from "#lib/log/log-state.ts";
import { replicasOfJournal } from "#lib/log/opener.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";
import type { BrokerState } from "./broker-state.ts";

export type RunningBroker = Readonly<BrokerState>;

/** A log journal's stores, as its state or its future placement has them. */
export type JournalReplicas = Pick<LogState, "replicas" | "isr">;

/** The stores of a journal; of one that nobody has placed yet as its placement would be. */
export function replicasOf(
  state: JournalReplicas,
  journalNumber: number,
  storeIds: readonly StoreId[],
): JournalReplicas {
  if (state.replicas.length > 0) return state;
  const replicas = replicasOfJournal(journalNumber, storeIds);
  return { replicas, isr: replicas };
}

/**
 * Who is to lead a log journal, by what everybody sees: a broker at the first in-sync store that has one, else any broker
 * (it serves the journal from other stores), else nobody. Brokers at one store take its journals in turn.
 * `running` ascending by id.
 */
export function desiredLeader(
  { replicas, isr }: JournalReplicas,
  journalNumber: number,
  running: readonly RunningBroker[],
): RunningBroker | undefined {
  const turn = Math.floor(journalNumber / Math.max(1, replicas.length));
  for (const storeId of replicas) {
    if (!isr.includes(storeId)) continue;
    const homed = running.filter((broker) => broker.storeId === storeId);
    if (homed.length > 0) return homed[turn % homed.length];
  }
  return running[journalNumber % Math.max(1, running.length)];
}

/** Whether a journal's leader may stay where `auto.leader.rebalance.enable` is false: it runs, at a store in sync. */
export function isFitToLead(leaderId: BrokerId, { isr }: JournalReplicas, running: readonly RunningBroker[]): boolean {
  const leader = running.find(({ brokerId }) => brokerId === leaderId);
  return leader !== undefined && isr.includes(leader.storeId);
}
