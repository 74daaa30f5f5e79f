import { BrokerMembership } from "#lib/cluster/broker-membership.ts";
import type { BrokerEndpoint } from "#lib/cluster/broker-state.ts";
import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import type { Elector } from "#lib/cluster/elector.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";

export interface PresenceParts {
  readonly cluster: ClusterView;
  readonly clusterJournal: ClusterJournal;
  readonly journals: LogJournals;
  readonly elector: Elector;
  /** The deployment's stores, ascending. */
  readonly storeIds: readonly StoreId[];
  /** See `MembershipPorts`. */
  readonly isProvenDead?: (brokerId: BrokerId) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface PresenceOptions {
  readonly brokerId: BrokerId;
  readonly rack: string | null;
  /** Whether something else proves that no other process of this broker id lives, such as a lock that only one may hold. */
  readonly replacesDead: boolean;
}

/** A process as a broker of the cluster, from its doors' opening to their closing. It serves with or without. */
export class BrokerPresence {
  readonly #parts: PresenceParts;
  readonly #options: PresenceOptions;
  readonly #leaving = sharedAbortController();
  readonly #joined = deferred<void>();
  readonly #failed = deferred<Error>();
  #membership: BrokerMembership | undefined;

  constructor(options: PresenceOptions, parts: PresenceParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Resolves when the broker is registered, if it ever is. */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  /** Resolves to the reason when the broker must end: it cannot have its id, or another process has taken it. */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /**
   * Registers the broker under its advertised addresses, and from then on gives its signs of life and takes part in
   * elections. All of it happens beside the serving.
   */
  join(endpoints: readonly BrokerEndpoint[]): void {
    const { clusterJournal: journal, storeIds } = this.#parts;
    const storeId = defined(storeIds[this.#options.brokerId % storeIds.length], "a store to be homed at");
    const membership = new BrokerMembership({ ...this.#options, storeId }, { ...this.#parts, journal });
    this.#membership = membership;
    this.#run(membership, endpoints).catch((error: unknown) => {
      if (this.#leaving.signal.aborted) return;
      this.#failed.resolve(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /**
   * Whether this start of the broker is registered, so many brokers run, and the leader of each log journal is who it is
   * to be, as far as eventually consistent reads show. Never rejects.
   */
  async isSettled(brokerCount: number): Promise<boolean> {
    const { cluster, journals, elector } = this.#parts;
    const { signal } = this.#leaving;
    // Until then another start of it may still count as running.
    if (this.#membership?.brokerEpoch === undefined) return false;
    try {
      await Promise.all([cluster.catchUp(signal), ...journals.allOpened().map((each) => each.catchUp(signal))]);
    } catch {
      return false;
    }
    return cluster.runningBrokers().length >= brokerCount && elector.isSettled();
  }

  /** See `BrokerMembership`. Nothing happens before this broker is registered itself. Never rejects. */
  async fenceDead(brokerId: BrokerId): Promise<void> {
    if (this.#membership?.brokerEpoch !== undefined) await this.#membership.fenceDead(brokerId, this.#leaving.signal);
  }

  /** Says that the broker ends, so that others lead what it led; for as long as `signal` lets it. Never rejects. */
  async leave(signal: AbortSignal): Promise<void> {
    this.#leaving.abort(new Error("the broker stops"));
    await this.#membership?.stop(signal);
  }

  async #run(membership: BrokerMembership, endpoints: readonly BrokerEndpoint[]): Promise<void> {
    const { elector } = this.#parts;
    const { signal } = this.#leaving;
    await membership.register(endpoints, signal);
    this.#joined.resolve();
    elector.follow(signal);
    void elector.elect(signal);
    await membership.run(signal, () => void elector.tick(signal));
  }
}
