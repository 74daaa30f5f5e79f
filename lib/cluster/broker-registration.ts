import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { BrokerId, JournalSeq } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { RegisterBrokerCommand, SeenBroker } from "./broker-command.ts";
import type { BrokerState } from "./broker-state.ts";
import { brokerTimes } from "./broker-times.ts";
import type { ClusterOutcome } from "./cluster-command.ts";
import { BROKERS_FEATURE_LEVEL, type ClusterJournal } from "./cluster-state-machine.ts";
import type { ClusterView } from "./cluster-view.ts";
import { SilenceWatch } from "./silence-watch.ts";

/** Another process has this broker's id and is alive, or has taken it over: this one must end. */
export class BrokerIdInUseError extends LogError {
  override readonly name = "BrokerIdInUseError";
  override readonly kind = "fenced";
  readonly brokerId: BrokerId;

  constructor({ brokerId, endpoints }: Pick<BrokerState, "brokerId" | "endpoints">) {
    const where = endpoints.map(({ host, port }) => `${host}:${port}`).join(", ");
    super(`broker id ${brokerId} is registered by another process${where === "" ? "" : ` at ${where}`}`);
    this.brokerId = brokerId;
  }
}

/** The cluster does not take this broker as it describes itself. */
export class BrokerRefusedError extends LogError {
  override readonly name = "BrokerRefusedError";
  override readonly kind = "invalid";
}

export interface RegistrationPorts {
  readonly cluster: ClusterView;
  readonly journal: ClusterJournal;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Registration extends Omit<RegisterBrokerCommand, "kind" | "replaces"> {
  /** Whether something else proves that no other process of this id lives, such as a lock that only one may hold. */
  readonly replacesDead: boolean;
}

/** The lane of all that a process says of its broker, so that its end never overtakes its beginning. */
export const BROKER_LANE = "brokers";

/**
 * Registers one start of a broker. Where another process has the id, and nothing proves that it is dead, that one is watched
 * for as long as sessions last: each refusal is a record that makes it give a sign of life if it can (`BrokerMembership`).
 */
export class BrokerRegistration {
  readonly #registration: Registration;
  readonly #ports: RegistrationPorts;
  readonly #watch = new SilenceWatch();
  /** The other process as it stood at the first refusal. */
  #rival: SeenBroker | undefined;
  /** A process under this id that is known to be dead. */
  #dead: SeenBroker | undefined;
  #isFailing = false;

  constructor(registration: Registration, ports: RegistrationPorts) {
    this.#registration = registration;
    this.#ports = ports;
    const standing = this.#standing();
    if (registration.replacesDead && standing?.status === "running") this.#dead = standing;
  }

  /**
   * Resolves to the broker epoch. Rejects with `BrokerIdInUseError`, with `BrokerRefusedError`, or with the signal's reason;
   * while the journal is away it is tried again and again.
   */
  async register(signal: AbortSignal): Promise<JournalSeq> {
    for (;;) {
      try {
        const outcome = await this.#propose(signal);
        if (outcome.kind === "registered") return outcome.brokerEpoch;
        this.#isFailing = false;
        await this.#overcome(outcome, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof LogError && error.kind === "unavailable")) throw error;
        this.#warnOfFailure(error);
        await this.#ports.clock.sleep(brokerTimes(this.#ports.cluster).lookMs, signal);
      }
    }
  }

  async #propose(signal: AbortSignal): Promise<ClusterOutcome> {
    const { journal } = this.#ports;
    const { replacesDead: _, ...registration } = this.#registration;
    await journal.raiseFeatureLevel(BROKERS_FEATURE_LEVEL, signal);
    const { outcome } = await journal.propose(
      { kind: "register-broker", ...registration, replaces: this.#dead },
      { lane: BROKER_LANE, signal },
    );
    return outcome;
  }

  /** Returns when another try makes sense. */
  async #overcome(outcome: ClusterOutcome, signal: AbortSignal): Promise<void> {
    if (outcome.kind !== "refused" || outcome.error !== ErrorCode.DUPLICATE_BROKER_REGISTRATION) {
      throw this.#refusalOf(outcome);
    }
    const standing = this.#standing();
    this.#dead = undefined;
    // It may have ended since.
    if (standing?.status !== "running" || standing.incarnation === this.#registration.incarnation) return;
    const { brokerEpoch, seenSeq } = standing;
    if (this.#registration.replacesDead) {
      // Something that it had sent before it died has arrived since.
      this.#dead = { brokerEpoch, seenSeq };
      return;
    }
    if (this.#rival === undefined) this.#warnOfRival(standing);
    this.#rival ??= { brokerEpoch, seenSeq };
    await this.#watchRival(this.#rival, signal);
  }

  /** Looks until the rival has moved or been silent for a session, and for as long as a heartbeat takes at most. */
  async #watchRival(rival: SeenBroker, signal: AbortSignal): Promise<void> {
    const { cluster, journal, clock } = this.#ports;
    const { sessionMs, heartbeatMs, lookMs, gapMsMax } = brokerTimes(cluster);
    const endMs = clock.monotonicMs() + heartbeatMs;
    for (;;) {
      const standing = this.#standing();
      if (standing?.status !== "running") return;
      const isMoved = standing.brokerEpoch !== rival.brokerEpoch || standing.seenSeq !== rival.seenSeq;
      if (isMoved) throw new BrokerIdInUseError(standing);
      const nowMs = clock.monotonicMs();
      this.#watch.note([standing], nowMs);
      this.#watch.looked({ beganMs: journal.asOfMs, nowMs, gapMsMax });
      this.#dead = this.#watch.overdue(sessionMs)[0];
      if (this.#dead !== undefined || nowMs >= endMs) return;
      await clock.sleep(lookMs, signal);
      await journal.catchUp(signal);
    }
  }

  #standing(): Readonly<BrokerState> | undefined {
    return this.#ports.journal.state.brokers.get(this.#registration.brokerId);
  }

  #refusalOf(outcome: ClusterOutcome): Error {
    const { brokerId } = this.#registration;
    const standing = this.#standing();
    // Our own registration has come late, behind that of a process which replaced us.
    if (standing !== undefined && standing.incarnation !== this.#registration.incarnation) {
      return new BrokerIdInUseError(standing);
    }
    const reason = outcome.kind === "refused" ? errorMessage(outcome.error) : outcome.kind;
    return new BrokerRefusedError(`broker ${brokerId} cannot be registered: ${reason}`);
  }

  #warnOfRival({ brokerId, brokerEpoch }: Readonly<BrokerState>): void {
    const { sessionMs } = brokerTimes(this.#ports.cluster);
    const message = "another process has this broker id; it is replaced unless it gives a sign of life";
    this.#ports.logger.warn(message, { brokerId, brokerEpoch, withinMs: sessionMs });
  }

  #warnOfFailure(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    const fields = { brokerId: this.#registration.brokerId, error: describeError(error) };
    this.#ports.logger.warn("this broker cannot register for now; it tries again", fields);
  }
}
