import type { Broker, BrokerSettings } from "#lib/broker/assemble-broker.ts";
import { functionEnvironment, parseFunctionSettings } from "#lib/config/function-settings.ts";
import { type BackOffOptions, BackOffSchedule } from "#lib/housekeeping/back-off-schedule.ts";
import { OPEN_ACCESS } from "#lib/http/access.ts";
import { createHttpApp } from "#lib/http/app.ts";
import { DEFAULT_HTTP_SETTINGS } from "#lib/http/http-services.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { NO_TELEMETRY } from "#lib/runtime/telemetry.ts";
import { FUNCTION_VIEW_MS_MAX, HOUSEKEEPING_PERIOD_MS, WORKER_SCHEDULE_MS_MAX } from "#lib/util/limits.ts";
import { bucketsOf } from "../aws/deployment.ts";
import { type CostWorld, NEVER } from "./cost-world.ts";

// Functions as infra deploys them: environments that each have a broker of their own and serve one call at a time.

/** GB of memory. */
const DOOR_GB = 0.5;
const SCHEDULE_GB: Readonly<Record<ScheduleName, number>> = {
  housekeeper: 1,
  expirer: 0.5,
  compactor: 1,
  cleaner: 1.5,
  retention: 0.5,
  garbage: 1,
};
/** Between two calls of a worker's schedule. */
const WORKER_PERIOD_MS = 5 * HOUSEKEEPING_PERIOD_MS;
/**
 * What a call takes beside its waiting: some 2 ms of a whole processor (`npm run bench -- lambda`), of which half a GB has a
 * third.
 */
const DOOR_OWN_MS = 6;
/** A call of the schedule when nothing is due. */
const RESTING_OWN_MS = 2;

const WORKERS = ["compactor", "cleaner", "retention", "garbage"] as const;
type ScheduleName = "housekeeper" | "expirer" | (typeof WORKERS)[number];

interface ScheduledWork {
  readonly periodMs: number;
  readonly backOff: BackOffOptions;
  readonly work: (broker: Broker) => Promise<number>;
}

export function functionSettings(storeCount: number): BrokerSettings {
  const stores = bucketsOf({ storeClass: "Standard", storeCount }).map((bucket) => `s3://${bucket}`);
  const { lingerMs, inlineBytesMax, ...rest } = parseFunctionSettings(
    functionEnvironment({ stores, table: "journals", auth: "none" }),
  );
  return {
    identity: { brokerId: 0, rack: null },
    startConfigs: new Map(),
    append: { ...DEFAULT_APPEND_SETTINGS, lingerMs, inlineBytesMax },
    tailCacheBytesMax: rest.tailCacheBytesMax,
    blockCacheBytesMax: rest.blockCacheBytesMax,
    journalPollMs: rest.journalPollMs,
    isOnDemand: true,
  };
}

/** One door: calls go to an environment that is free, the one that was used last; where none is, one more is started. */
export class FunctionFleet {
  readonly #world: CostWorld;
  readonly #settings: BrokerSettings;
  readonly #free: Environment[] = [];
  /** How many there are. */
  size = 0;

  constructor(world: CostWorld, settings: BrokerSettings) {
    this.#world = world;
    this.#settings = settings;
  }

  async call(request: Request): Promise<Response> {
    const { clock, meter } = this.#world;
    const environment = this.#free.pop() ?? (await this.#start());
    const startedAtMs = clock.monotonicMs();
    const response = await environment.serve(request);
    const tookMs = Math.ceil(clock.monotonicMs() - startedAtMs + DOOR_OWN_MS);
    meter.count("lambda:Invoke", NO_BYTES, { target: "produce", units: (DOOR_GB * tookMs) / 1_000 });
    // It is its own for the time of its work, which the clock does not see.
    await clock.sleep(DOOR_OWN_MS);
    this.#free.push(environment);
    return response;
  }

  async #start(): Promise<Environment> {
    this.size++;
    return new Environment(await this.#world.start(this.#settings), this.#world);
  }
}

const NO_BYTES = { sent: 0, received: 0 };

/** What functions/http-door.ts does for each call. */
class Environment {
  readonly #broker: Broker;
  readonly #world: CostWorld;
  readonly #app: ReturnType<typeof createHttpApp>;
  #clusterAtMs: number;
  #restedAtMs: number;

  constructor(broker: Broker, world: CostWorld) {
    this.#broker = broker;
    this.#world = world;
    this.#clusterAtMs = world.clock.monotonicMs();
    this.#restedAtMs = this.#clusterAtMs;
    this.#app = createHttpApp(
      {
        broker: broker.services,
        auth: OPEN_ACCESS,
        telemetry: NO_TELEMETRY,
        settings: DEFAULT_HTTP_SETTINGS,
        stopping: NEVER,
      },
      { first: ROUTES },
    );
  }

  async serve(request: Request): Promise<Response> {
    const nowMs = this.#world.clock.monotonicMs();
    if (nowMs - this.#clusterAtMs >= FUNCTION_VIEW_MS_MAX) {
      this.#clusterAtMs = nowMs;
      const hasSlept = nowMs - this.#restedAtMs >= FUNCTION_VIEW_MS_MAX;
      await this.#broker.chores.catchUp(hasSlept ? "opened" : "cluster", NEVER);
    }
    const response = await this.#app.fetch(request);
    this.#restedAtMs = this.#world.clock.monotonicMs();
    return response;
  }
}

/** The functions that schedules call, as functions/run-on-schedule.ts and run-worker.ts answer them. */
export class Schedules {
  readonly #world: CostWorld;
  readonly #settings: BrokerSettings;

  constructor(world: CostWorld, settings: BrokerSettings) {
    this.#world = world;
    this.#settings = settings;
  }

  /** Until `signal` aborts, or for so many calls. */
  async run(signal: AbortSignal, calls = Number.POSITIVE_INFINITY): Promise<void> {
    const keeping = { periodMs: HOUSEKEEPING_PERIOD_MS, backOff: {} };
    const working = { periodMs: WORKER_PERIOD_MS, backOff: { periodMsMax: WORKER_SCHEDULE_MS_MAX } };
    const until = { signal, calls };
    await Promise.all([
      this.#repeat("housekeeper", { ...keeping, work: ({ chores }) => chores.tendJournals(NEVER) }, until),
      this.#repeat("expirer", { ...keeping, work: ({ chores }) => chores.expire(NEVER) }, until),
      ...WORKERS.map((name) =>
        this.#repeat(name, { ...working, work: (broker) => workUntilNothingIsLeft(broker, name) }, until),
      ),
    ]);
  }

  async #repeat(
    name: ScheduleName,
    { periodMs, backOff, work }: ScheduledWork,
    { signal, calls }: { readonly signal: AbortSignal; readonly calls: number },
  ): Promise<void> {
    const { clock, meter } = this.#world;
    const broker = await this.#world.start(this.#settings);
    const schedule = new BackOffSchedule(clock, backOff);
    for (let call = 0; call < calls && !signal.aborted; call++) {
      const startedAtMs = clock.monotonicMs();
      const { kind } = await schedule.run(() => work(broker));
      const ownMs = kind === "ran" ? DOOR_OWN_MS : RESTING_OWN_MS;
      const tookMs = Math.ceil(clock.monotonicMs() - startedAtMs + ownMs);
      meter.count("lambda:Invoke", NO_BYTES, { target: name, units: (SCHEDULE_GB[name] * tookMs) / 1_000 });
      const leftMs = startedAtMs + periodMs - clock.monotonicMs();
      await clock.sleep(Math.max(0, leftMs), signal).catch(() => {});
    }
  }
}

async function workUntilNothingIsLeft({ chores }: Broker, name: (typeof WORKERS)[number]): Promise<number> {
  const run = { isForced: false, signal: NEVER };
  for (let total = 0; ; ) {
    const count = await chores.work(name, run);
    if (count === 0) return total + (name === "retention" ? await chores.expireProducers(run) : 0);
    total += count;
  }
}
