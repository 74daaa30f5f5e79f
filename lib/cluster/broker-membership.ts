import { describeError } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { defined } from "#lib/util/assert.ts";
import { type BrokerId, type JournalSeq, type StoreId, type Uuid, uuidFromBytes } from "#lib/util/branded.ts";
import type { BrokerCommand, FenceBrokerCommand } from "./broker-command.ts";
import { BROKER_LANE, BrokerIdInUseError, BrokerRegistration, type RegistrationPorts } from "./broker-registration.ts";
import type { BrokerEndpoint, BrokerState } from "./broker-state.ts";
import { type BrokerTimes, brokerTimes } from "./broker-times.ts";
import type { ClusterCommand, ClusterOutcome } from "./cluster-command.ts";
import { SilenceWatch } from "./silence-watch.ts";

/** A broker has one sign of life under way at a time. */
const FENCE_ATTEMPTS_MAX = 3;
const BROKER_COMMANDS: ReadonlySet<string> = new Set<BrokerCommand["kind"]>([
  "register-broker",
  "broker-heartbeat",
  "fence-broker",
  "stop-broker",
]);

export interface MembershipPorts extends RegistrationPorts {
  readonly random: Random;
  /**
   * Whether something proves that no process of that broker lives, such as a lock that ends with it. Asked of brokers that
   * have missed a heartbeat; left out where only a session's silence tells.
   */
  readonly isProvenDead?: (brokerId: BrokerId) => boolean;
}

export interface MembershipOptions {
  readonly brokerId: BrokerId;
  readonly rack: string | null;
  /** The store that the broker is homed at. */
  readonly storeId: StoreId;
  /** See `Registration`. */
  readonly replacesDead: boolean;
}

/**
 * This process as a broker of the cluster: registers it, gives its signs of life, and fences others that give none. Signs of
 * life are given while somebody may count them: a broker that is alone writes nothing.
 */
export class BrokerMembership {
  /** Drawn once: two starts under one id are told apart by it. */
  readonly #incarnation: Uuid;
  readonly #options: MembershipOptions;
  readonly #ports: MembershipPorts;
  readonly #watch = new SilenceWatch();
  #brokerEpoch: JournalSeq | undefined;
  /** When the last sign of life was sent that arrived, by the monotonic clock. */
  #seenAtMs = Number.NEGATIVE_INFINITY;
  /** Whether another process has tried to take this id: it waits to see whether we live. */
  #isChallenged = false;
  #isFailing = false;
  #isStopping = false;

  constructor(options: MembershipOptions, ports: MembershipPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#incarnation = uuidFromBytes(ports.random.bytes(16));
  }

  /** Undefined before it is registered. */
  get brokerEpoch(): JournalSeq | undefined {
    return this.#brokerEpoch;
  }

  /** Registers the broker under what clients are to be told. See `BrokerRegistration.register`. */
  async register(endpoints: readonly BrokerEndpoint[], signal: AbortSignal): Promise<void> {
    const { logger, clock } = this.#ports;
    const incarnation = this.#incarnation;
    const registration = new BrokerRegistration({ ...this.#options, incarnation, endpoints }, this.#ports);
    const beganMs = clock.monotonicMs();
    this.#brokerEpoch = await registration.register(signal);
    this.#seenAtMs = beganMs;
    const { brokerId, storeId } = this.#options;
    logger.debug("registered", { brokerId, brokerEpoch: this.#brokerEpoch, store: storeId });
  }

  /**
   * Looks at the cluster journal, and does what is due, until `signal` aborts; resolves then. `onTick` is called after each
   * look that succeeded. Rejects with `BrokerIdInUseError` if another process has taken the broker's id.
   */
  async run(signal: AbortSignal, onTick: () => void): Promise<void> {
    const { cluster, journal, clock } = this.#ports;
    const note = () => this.#watch.note(this.#others(), clock.monotonicMs());
    const stopListening = journal.onFold((command, outcome) => {
      if (BROKER_COMMANDS.has(command.kind)) note();
      if (this.#isChallenge(command, outcome)) this.#isChallenged = true;
    });
    try {
      while (!signal.aborted) {
        const times = brokerTimes(cluster);
        if (await this.#look(times, signal)) {
          note();
          this.#watch.looked({ beganMs: journal.asOfMs, nowMs: clock.monotonicMs(), gapMsMax: times.gapMsMax });
          this.#checkOwnId();
          await this.#fenceSilent(times, signal);
          onTick();
        }
        await clock.sleep(this.#untilNextMs(times), signal).catch(() => undefined);
      }
    } finally {
      stopListening();
    }
  }

  /**
   * Fences a broker that somebody knows to be dead, as the one who ran its process does, so that nobody waits for its
   * session to end. One that has been started again since is let be. Never rejects.
   */
  async fenceDead(brokerId: BrokerId, signal: AbortSignal): Promise<void> {
    const epoch = this.#ports.cluster.runningBroker(brokerId)?.brokerEpoch;
    for (let attempt = 0; attempt < FENCE_ATTEMPTS_MAX; attempt++) {
      const standing = this.#ports.cluster.runningBroker(brokerId);
      if (standing === undefined || standing.brokerEpoch !== epoch) return;
      // Refused where something that it had sent before it died has arrived since.
      const { seenSeq } = standing;
      const fence = await this.#fence({ brokerId, brokerEpoch: standing.brokerEpoch, seenSeq }, signal);
      if (fence === "done") this.#ports.logger.warn("the process of a broker has ended: fenced", { brokerId });
      // While the journal is away nobody can be fenced; whoever watches for silence does it later.
      if (fence === "failed") return;
    }
  }

  /** Says that the broker ends in order, so that nobody waits for its signs of life. Never rejects. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#isStopping = true;
    const brokerEpoch = this.#brokerEpoch;
    if (brokerEpoch === undefined) return;
    try {
      await this.#propose({ kind: "stop-broker", brokerId: this.#options.brokerId, brokerEpoch }, signal);
    } catch (error) {
      this.#ports.logger.warn("the cluster is not told that this broker stops", { error: describeError(error) });
    }
  }

  /** Gives a sign of life if one is due, and looks in any case: an append folds all that stands before it. */
  async #look(times: BrokerTimes, signal: AbortSignal): Promise<boolean> {
    try {
      if (this.#isHeartbeatDue(times)) await this.#heartbeat(signal);
      else await this.#ports.journal.catchUp(signal);
      this.#isFailing = false;
      return true;
    } catch (error) {
      if (!signal.aborted && !this.#isFailing) {
        this.#ports.logger.warn("this broker cannot see the cluster for now", { error: describeError(error) });
      }
      this.#isFailing = true;
      return false;
    }
  }

  #isHeartbeatDue({ heartbeatMs }: BrokerTimes): boolean {
    if (this.#isStopping) return false;
    if (this.#isChallenged || this.#own()?.status === "fenced") return true;
    return this.#others().length > 0 && this.#ports.clock.monotonicMs() - this.#seenAtMs >= heartbeatMs;
  }

  async #heartbeat(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#ports;
    const { brokerId } = this.#options;
    const beganMs = clock.monotonicMs();
    const wasFenced = this.#own()?.status === "fenced";
    this.#isChallenged = false;
    const brokerEpoch = defined(this.#brokerEpoch, "the epoch of a registered broker");
    const outcome = await this.#propose({ kind: "broker-heartbeat", brokerId, brokerEpoch }, signal);
    // Refused only where another process has the id, which the caller finds.
    if (outcome.kind !== "done") return;
    this.#seenAtMs = beganMs;
    if (wasFenced) logger.warn("the others had missed this broker for a while; it runs again", { brokerId });
  }

  async #fenceSilent({ sessionMs, missedMs }: BrokerTimes, signal: AbortSignal): Promise<void> {
    const { logger, clock, isProvenDead } = this.#ports;
    const dead = this.#watch.overdue(missedMs).filter(({ brokerId }) => isProvenDead?.(brokerId) === true);
    const silent = new Set([...dead, ...this.#watch.overdue(sessionMs)]);
    await Promise.all(
      [...silent].map(async ({ brokerId, brokerEpoch, seenSeq, sinceMs }) => {
        if ((await this.#fence({ brokerId, brokerEpoch, seenSeq }, signal)) !== "done") return;
        const silentMs = Math.round(clock.monotonicMs() - sinceMs);
        logger.warn("a broker gives no sign of life: fenced", { brokerId, brokerEpoch, silentMs });
      }),
    );
  }

  async #fence(seen: Omit<FenceBrokerCommand, "kind">, signal: AbortSignal): Promise<"done" | "refused" | "failed"> {
    const { logger } = this.#ports;
    try {
      const { kind } = await this.#propose({ kind: "fence-broker", ...seen }, signal);
      return kind === "done" ? kind : "refused";
    } catch (error) {
      const { brokerId } = seen;
      if (!signal.aborted) logger.warn("a broker cannot be fenced for now", { brokerId, error: describeError(error) });
      return "failed";
    }
  }

  async #propose(command: ClusterCommand, signal: AbortSignal): Promise<ClusterOutcome> {
    const { outcome } = await this.#ports.journal.propose(command, { lane: BROKER_LANE, signal });
    return outcome;
  }

  #untilNextMs({ sessionMs, heartbeatMs, lookMs }: BrokerTimes): number {
    // Alone, a look now and then is enough to see others come.
    if (this.#others().length === 0) return heartbeatMs;
    const nowMs = this.#ports.clock.monotonicMs();
    const dues = [this.#seenAtMs + heartbeatMs, this.#watch.nextDueMs(sessionMs)].filter((dueMs) => dueMs > nowMs);
    return Math.min(lookMs, ...dues.map((dueMs) => dueMs - nowMs));
  }

  #checkOwnId(): void {
    const own = this.#own();
    if (own !== undefined && own.incarnation !== this.#incarnation) throw new BrokerIdInUseError(own);
  }

  #isChallenge(command: ClusterCommand, outcome: ClusterOutcome): boolean {
    const isOwnId = command.kind === "register-broker" && command.brokerId === this.#options.brokerId;
    return isOwnId && command.incarnation !== this.#incarnation && outcome.kind === "refused";
  }

  #own(): Readonly<BrokerState> | undefined {
    return this.#ports.journal.state.brokers.get(this.#options.brokerId);
  }

  #others(): readonly Readonly<BrokerState>[] {
    return this.#ports.cluster.runningBrokers().filter(({ brokerId }) => brokerId !== this.#options.brokerId);
  }
}
