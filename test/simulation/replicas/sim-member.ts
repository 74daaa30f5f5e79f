import { assembleReplication, type ReplicationParts } from "#lib/broker/assemble-replication.ts";
import { BrokerMembership } from "#lib/cluster/broker-membership.ts";
import { BrokerIdInUseError } from "#lib/cluster/broker-registration.ts";
import { Elector } from "#lib/cluster/elector.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import type { SimBrokerOptions } from "../sim-broker.ts";
import { markerOf } from "./marked-stores.ts";

export interface MemberParts extends Omit<ReplicationParts, "isOnDemand" | "brokerId"> {
  readonly replacesDead: boolean;
  readonly options: SimBrokerOptions;
  /** Another process has this broker's id: this one ends. */
  readonly onReplaced: () => void;
  readonly signal: AbortSignal;
}

/** What makes a process a broker of a cluster: stores it is known to have, replication, and then its registration. */
export async function takePart(parts: MemberParts): Promise<void> {
  const { options, cluster, clusterJournal, journals, watched, clock, random, logger, signal } = parts;
  const { brokerId, homeId, host, decorations } = options;
  const noteEnd = (error: unknown): void => {
    if (error instanceof BrokerIdInUseError) parts.onReplaced();
    else logger.error("membership failed", { error: describeError(error) });
  };
  await registerStores(parts);
  void assembleReplication({ ...parts, brokerId, isOnDemand: false }).run(signal);
  const shared = { cluster, clock, logger };
  const journal = decorations.clusterJournal?.(clusterJournal, host) ?? clusterJournal;
  const identity = { brokerId, rack: null, storeId: homeId, replacesDead: parts.replacesDead };
  const member = new BrokerMembership(identity, { ...shared, journal, random });
  const elector = new Elector({ ...shared, brokerId, clusterJournal, journals, storeIds: watched.stores.ids });
  try {
    await member.register([{ name: "PLAINTEXT", host: host.name, port: 9092 }], signal);
  } catch (error) {
    noteEnd(error);
    return;
  }
  elector.follow(signal);
  member.run(signal, () => void elector.tick(signal)).catch(noteEnd);
}

async function registerStores({ clusterJournal, watched, clock, signal }: MemberParts): Promise<void> {
  for (const storeId of watched.stores.ids) {
    const identity = uuidFromBytes(Buffer.from(markerOf(storeId).identity, "hex"));
    const command = { kind: "register-store", storeId, identity, url: `store-${storeId}` } as const;
    while (!clusterJournal.state.stores.has(storeId)) {
      await clusterJournal.propose(command, { lane: "stores", signal }).catch(() => clock.sleep(200));
    }
  }
}
