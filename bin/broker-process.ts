import { type ChildProcess, spawn } from "node:child_process";
import type { BrokerDoors } from "#lib/config/broker-arguments.ts";
import {
  type BrokerMessage,
  parseBrokerMessage,
  type StartFailure,
  type SupervisorMessage,
} from "#lib/config/broker-message.ts";
import { isSettingsEnvironment, SUPERVISED_ENVIRONMENT } from "#lib/config/serve-settings.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { defined } from "#lib/util/assert.ts";

export interface BrokerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it said before it ended, if it could not start. */
  readonly failure: StartFailure | undefined;
}

/** One run of one broker in a process of its own, as its supervisor sees it. */
export class BrokerProcess {
  readonly ended: Promise<BrokerEnd>;
  readonly #child: ChildProcess;
  readonly #onChange: () => void;
  #doors: BrokerDoors | undefined;
  #isSettled = false;
  #failure: StartFailure | undefined;

  /** `args` go to `millrace serve`; `onChange` is called when it listens and when it is settled. */
  constructor(args: readonly string[], options: { readonly brokerCount: number; readonly onChange: () => void }) {
    this.#onChange = options.onChange;
    const main = defined(process.argv[1], "the program's file");
    this.#child = spawn(process.execPath, [...process.execArgv, main, "serve", ...args], {
      env: environmentFor(options.brokerCount),
      // The log goes where ours goes, without us between: its lines name their broker. Our stdout is for the ready line.
      stdio: ["ignore", 2, 2, "ipc"],
    });
    this.#child.on("message", (message: unknown) => this.#receive(parseBrokerMessage(message)));
    this.ended = this.#watchEnd();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Undefined until it listens. */
  get doors(): BrokerDoors | undefined {
    return this.#doors;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** One that cannot be told any more has no use for it. */
  tell(message: SupervisorMessage): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #receive(message: BrokerMessage): void {
    if (message.kind === "listening") this.#doors = { kafka: message.kafka, http: message.http };
    else if (message.kind === "settled") this.#isSettled = true;
    else this.#failure = message;
    this.#onChange();
  }

  async #watchEnd(): Promise<BrokerEnd> {
    const exited = deferred<Omit<BrokerEnd, "failure">>();
    // Its last message may be read after its exit is noticed, but not after the channel's end.
    const disconnected = deferred<void>();
    this.#child.once("disconnect", () => disconnected.resolve());
    this.#child.once("exit", (code, signal) => exited.resolve({ code, signal }));
    // Also when it cannot be killed or told something: nobody may be left who does not hear of it.
    this.#child.on("error", (error) => {
      if (this.#child.pid !== undefined) return;
      this.#failure = { kind: "failed", text: `no process: ${error.message}`, status: 1, reason: "passing" };
      disconnected.resolve();
      exited.resolve({ code: 1, signal: null });
    });
    const end = await exited.promise;
    await disconnected.promise;
    this.#isSettled = false;
    return { ...end, failure: this.#failure };
  }
}

/** A broker is told everything by its flags: what its supervisor was told by the environment is in them. */
function environmentFor(brokerCount: number): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !isSettingsEnvironment(name));
  return { ...Object.fromEntries(kept), [SUPERVISED_ENVIRONMENT]: String(brokerCount) };
}
