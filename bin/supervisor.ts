import { setTimeout as sleep } from "node:timers/promises";
import { brokerArguments } from "#lib/config/broker-arguments.ts";
import { formatHostPort } from "#lib/config/host-port.ts";
import type { RawSettings, ServeSettings } from "#lib/config/serve-settings.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { BROKER_RESTART_MS } from "#lib/util/limits.ts";
import { type BrokerEnd, BrokerProcess } from "./broker-process.ts";

/** A broker that has not ended by then after its drains and a slow disk is killed. */
const END_MS_MAX = 15_000;

export interface SupervisorOptions {
  readonly settings: ServeSettings;
  /** The same as they were given. */
  readonly given: RawSettings;
  readonly brokerCount: number;
  readonly logger: Logger;
  /** Called once, when all brokers serve and each log journal is led by its preferred leader. */
  readonly onReady: (line: string) => void;
}

/** Runs the brokers of one machine, each in a process of its own, and starts again those that die. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #brokers: (BrokerProcess | undefined)[];
  readonly #stopping = new AbortController();
  #isReady = false;
  #status = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#brokers = Array.from({ length: options.brokerCount }, () => undefined);
  }

  /** Runs until it is told to stop, or a broker cannot be started and never will. Answers the exit status. */
  async run(): Promise<number> {
    await Promise.all(this.#brokers.map((_, brokerId) => this.#keepRunning(brokerId)));
    return this.#status;
  }

  /** Lets all brokers answer what is under way and end. A second call changes nothing. */
  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    for (const broker of this.#brokers) broker?.kill("SIGTERM");
    // The doors and then the log are drained.
    const endMs = 2 * this.#options.settings.drainMs + END_MS_MAX;
    setTimeout(() => {
      for (const broker of this.#brokers) broker?.kill("SIGKILL");
    }, endMs).unref();
  }

  async #keepRunning(brokerId: number): Promise<void> {
    const { settings, given, brokerCount, logger } = this.#options;
    const stopping = this.#stopping.signal;
    let last: BrokerProcess | undefined;
    while (!stopping.aborted) {
      // Clients know it by the ports that it had, whoever chose them; if it cannot have them back, it takes others.
      const args = brokerArguments(given, settings, { brokerId, taken: last?.doors });
      const broker = new BrokerProcess(args, { brokerCount, onChange: () => this.#look(brokerId) });
      this.#brokers[brokerId] = broker;
      last = broker;
      logger.info("broker started", { broker: brokerId, pid: broker.pid });
      const end = await broker.ended;
      this.#brokers[brokerId] = undefined;
      if (stopping.aborted) return;
      // Whatever it led is led by the others from now on, not when they have missed it for long enough.
      for (const other of this.#brokers) other?.tell({ kind: "broker-ended", brokerId });
      if (this.#isFinal(end, broker)) return this.#giveUp(brokerId, end);
      const { code, signal, failure } = end;
      const exit = signal ?? code ?? "unknown";
      logger.warn("broker has ended and is started again", { broker: brokerId, exit, error: failure?.text });
      await sleep(BROKER_RESTART_MS, undefined, { signal: stopping }).catch(() => {});
    }
  }

  /**
   * Whether starting it again is no use. While the others serve, only damage that concerns them too ends the whole: a
   * port that is taken meanwhile may be free again.
   */
  #isFinal({ code, failure }: BrokerEnd, broker: BrokerProcess): boolean {
    if (failure !== undefined) return failure.reason === "damage" || (failure.reason === "lasting" && !this.#isReady);
    // The program itself does not run here.
    return !this.#isReady && code !== null && broker.doors === undefined;
  }

  #giveUp(brokerId: number, { code, failure }: BrokerEnd): void {
    if (this.#stopping.signal.aborted) return;
    const text = failure?.text ?? `ended with status ${code} before it served`;
    process.stderr.write(`millrace: broker ${brokerId} cannot start: ${text}\n`);
    this.#status = failure?.status ?? code ?? 1;
    this.stop();
  }

  #look(brokerId: number): void {
    const { logger, onReady } = this.#options;
    if (this.#isReady) {
      if (this.#brokers[brokerId]?.isSettled === true) logger.info("broker is back", { broker: brokerId });
      return;
    }
    if (!this.#brokers.every((broker) => broker?.isSettled === true)) return;
    this.#isReady = true;
    onReady(this.#readyLine());
  }

  #readyLine(): string {
    const doors = this.#brokers.flatMap((broker) => broker?.doors ?? []);
    const kafka = doors.flatMap((each) => each.kafka.map(formatHostPort)).join(",");
    const http = doors.flatMap((each) => (each.http === undefined ? [] : [formatHostPort(each.http)])).join(",");
    return `ready kafka=${kafka}${http === "" ? "" : ` http=${http}`}`;
  }
}
