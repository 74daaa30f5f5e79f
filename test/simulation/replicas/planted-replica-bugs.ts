import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import { CopyTracker } from "#lib/housekeeping/replication/copy-tracker.ts";
import type { OwedCopies } from "#lib/housekeeping/replication/owed-copies.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreId } from "#lib/util/branded.ts";
import type { Decorations } from "../decorations.ts";
import type { Host } from "../host.ts";
import { DelegatingLogJournal } from "../planted-bugs.ts";

// Bugs about stores and brokers that the product must not have, one at a time, each of which the simulation has to find.

export const PLANTED_REPLICA_BUGS: ReadonlyMap<string, () => Decorations> = new Map<string, () => Decorations>([
  ["election-from-an-old-view", () => ({ logMachine: withoutViews })],
  ["fence-while-the-journal-is-away", () => ({ clusterJournal: deafJournal })],
  ["isr-grows-before-the-store-is-whole", () => ({ tracker: (options) => new HastyTracker(options) })],
  ["isr-shrinks-to-nothing", emptyIsr],
  ["back-empty-within-the-lag-time", () => ({ health: (clock) => new ForgetfulHealth(clock) })],
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

/** A store that answers again is in sync at once, while it is listed and what it lacks is copied. */
class HastyTracker extends CopyTracker {
  override owedTo(id: StoreId): OwedCopies {
    return new Proxy(super.owedTo(id), {
      get(owed, name) {
        if (name === "isListed") return true;
        if (name === "holdsBack") return () => false;
        const value: unknown = Reflect.get(owed, name, owed);
        return typeof value === "function" ? value.bind(owed) : value;
      },
    });
  }
}

/** The fold takes any ISR, and who takes a store out of it takes all. */
function emptyIsr(): Decorations {
  return {
    logMachine: (machine) => ({
      ...machine,
      fold(state, command, context) {
        const isTaken = command.kind === "alter-isr" && command.expectedIsrEpoch === state.isrEpoch;
        if (!isTaken || command.isr.length > 0) return machine.fold(state, command, context);
        state.isr = [];
        state.isrEpoch++;
        return { kind: "done" };
      },
    }),
    logJournal: (journal) =>
      new DelegatingLogJournal(journal, {
        around: (command) =>
          command.kind === "alter-isr" && command.isr.length < journal.state.isr.length
            ? { ...command, isr: [] }
            : command,
      }),
  };
}

/** A store that was away for so short a time that it stayed in the ISR is taken for what it was before. */
class ForgetfulHealth extends StoreHealth {
  override outages(): number {
    return 0;
  }
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
