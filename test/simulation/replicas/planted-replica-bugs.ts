import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { Decorations } from "../decorations.ts";
import type { Host } from "../host.ts";

// Bugs about stores and brokers that the product must not have, one at a time, each of which the simulation has to find.

export const PLANTED_REPLICA_BUGS: ReadonlyMap<string, () => Decorations> = new Map<string, () => Decorations>([
  ["election-from-an-old-view", () => ({ logMachine: withoutViews })],
  ["fence-while-the-journal-is-away", () => ({ clusterJournal: deafJournal })],
  ["skip-below-needed", () => ({ writer: (ports) => new SkippingWriter(ports) })],
]);

/** Who is elected last leads, however old the view that it was elected by. */
function withoutViews(machine: LogStateMachine): LogStateMachine {
  return {
    ...machine,
    fold(state, command, context) {
      if (command.kind !== "elect" || command.expectedEpoch !== state.leader.epoch) {
        return machine.fold(state, command, context);
      }
      const { brokerId, brokerEpoch, clusterSeq, expectedEpoch } = command;
      state.leader = { brokerId, brokerEpoch, clusterSeq, epoch: expectedEpoch + 1 };
      return { kind: "done" };
    },
  };
}

/** A look that fails is taken for one that has seen nothing new, so silence is counted while nobody could be heard. */
function deafJournal(journal: ClusterJournal, host: Host): ClusterJournal {
  return {
    get id() {
      return journal.id;
    },
    get state() {
      return journal.state;
    },
    get seq() {
      return journal.seq;
    },
    get asOfMs() {
      return host.clock.monotonicMs();
    },
    open: (signal) => journal.open(signal),
    reserve: (lane) => journal.reserve(lane),
    async propose(command, options) {
      if (command.kind !== "broker-heartbeat") return journal.propose(command, options);
      try {
        return await journal.propose(command, options);
      } catch {
        return { outcome: { kind: "done" }, seq: journal.seq, indexInRecord: 0 };
      }
    },
    catchUp: (signal) => journal.catchUp(signal).catch(() => undefined),
    readBarrier: (signal) => journal.readBarrier(signal),
    onFold: (listener) => journal.onFold(listener),
    onReload: (listener) => journal.onReload(listener),
    raiseFeatureLevel: (level, signal) => journal.raiseFeatureLevel(level, signal),
    nowMs: () => journal.nowMs(),
  };
}

/** Stores that fail are left out even where too few are left, and counted as if they had not been. */
class SkippingWriter extends ReplicatedWriter {
  readonly #failing = new Set<number>();

  override async put(...[put, signal]: Parameters<ReplicatedWriter["put"]>) {
    const placement = put.placement.filter((id) => !this.#failing.has(id));
    try {
      if (placement.length === 0) return await super.put(put, signal);
      const copies = await super.put({ ...put, placement, needed: Math.min(put.needed, placement.length) }, signal);
      return [...new Set([...copies, ...put.placement])].slice(0, Math.max(put.needed, copies.length));
    } catch (error) {
      const [first] = placement;
      if (first !== undefined) this.#failing.add(first);
      throw error;
    }
  }
}
