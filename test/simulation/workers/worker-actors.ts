import { SEGMENT_PREFIX, uploadEpochOf, WRITE_AHEAD_PREFIX } from "#lib/storage/object-keys.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { logUniform } from "../profile.ts";
import type { SimBroker } from "../sim-broker.ts";
import type { World } from "../world.ts";
import { SIM_WORKERS, type SimWorkerName } from "./sim-workers.ts";
import type { WorkerProfile } from "./worker-profile.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** As long as a function may run. */
const RUN_MS_MAX = 15 * MINUTE_MS;
/** Runs by hand after which nothing must be left. */
const RUNS_MAX = 25;
/** Age, the longest rest, and the period of garbage collection, and what the runs themselves take. */
const GARBAGE_MS_MAX = 9 * HOUR_MS;

/** Calls for workers, now in this process and now in that one, or in two at once, until the clients are done. */
export function runWorkers(world: World, profile: WorkerProfile, isDone: () => boolean): void {
  for (const name of SIM_WORKERS) void runWorker(world, profile, name, isDone);
}

async function runWorker(
  world: World,
  profile: WorkerProfile,
  name: SimWorkerName,
  isDone: () => boolean,
): Promise<void> {
  const random = world.fork();
  const { scheduler } = world;
  if (name === "compactor") await scheduler.sleep(profile.compactsAfterMs);
  while (!isDone()) {
    await scheduler.sleep(logUniform(random, profile.everyMs / 10, 2 * profile.everyMs));
    const count = random.chance(profile.twiceRate) ? 2 : 1;
    for (let index = 0; index < count; index++) {
      const broker = world.anyBroker(random);
      if (broker === undefined) continue;
      const run = { isForced: random.chance(profile.forcedRate), isNew: random.chance(0.3) };
      scheduler.schedule(random.below(200), () => void work(world, broker, name, run));
      if (random.chance(profile.deathRate)) scheduler.schedule(random.below(400), () => world.kill(broker.host));
    }
  }
}

/** Resolves when the run is over: to its answer, or to undefined if it has failed. */
async function work(
  world: World,
  broker: SimBroker,
  name: SimWorkerName,
  run: { readonly isForced: boolean; readonly isNew: boolean },
): Promise<number | undefined> {
  const controller = new AbortController();
  const { scheduler } = world;
  const limit = scheduler.schedule(RUN_MS_MAX, () => controller.abort(new Error("the run takes too long")));
  const result = new Promise<number | undefined>((resolve) => {
    broker.host.onDeath(() => resolve(undefined));
    broker.host.deliver(0, () => {
      const running = broker.work(name, { ...run, signal: controller.signal });
      world.mustEnd(broker, `a run of ${name}`, running);
      running.then(resolve, (error: unknown) => {
        scheduler.trace(`${broker.host.name} ${name} fails: ${error}`);
        broker.noteWorkerError(`${name} has failed`, error);
        resolve(undefined);
      });
    });
    if (broker.host.isDead) resolve(undefined);
  });
  const count = await result;
  limit.cancel();
  scheduler.trace(`${broker.host.name} ${name}${run.isForced ? " by hand" : ""}: ${count}`);
  return count;
}

/** When nothing goes wrong any more, workers come to an end, and what nobody needs goes. */
export async function bringToRest(world: World, profile: WorkerProfile): Promise<void> {
  const { scheduler } = world;
  const hour = Math.floor(scheduler.nowMs / HOUR_MS);
  const highest = Math.max(...world.truth.logStates().map(({ retireFloor }) => retireFloor), -1);
  if (profile.endsByHand) {
    for (const name of SIM_WORKERS) await runToEnd(world, name);
    checkGone(world, unreferenced(world, Math.max(hour, highest)));
    return;
  }
  const garbage = unreferenced(world, hour);
  const random = world.fork();
  const endMs = scheduler.elapsedMs + GARBAGE_MS_MAX;
  while (scheduler.elapsedMs < endMs) {
    await scheduler.sleep(15 * MINUTE_MS);
    const [broker] = world.brokers;
    if (broker === undefined) continue;
    for (const name of SIM_WORKERS) await work(world, broker, name, { isForced: false, isNew: random.chance(0.05) });
  }
  checkGone(world, garbage);
  for (const name of ["garbage", "journals' garbage"] as const) await runToEnd(world, name);
}

async function runToEnd(world: World, name: SimWorkerName): Promise<void> {
  const [broker] = world.brokers;
  if (broker === undefined) return;
  const counts: (number | undefined)[] = [];
  while (counts.length < RUNS_MAX) {
    const count = await work(world, broker, name, { isForced: true, isNew: false });
    counts.push(count);
    if (count === 0) return;
  }
  world.history.problems.push(`checkWorkersEnd: ${name} by hand comes to no end: ${counts}`);
}

/** What nobody refers to, of this upload epoch and of earlier ones. */
function unreferenced(world: World, lastEpoch: number): ReadonlySet<ObjectKey> {
  const references = world.truth.workers?.references() ?? new Map();
  const keys = world.stores.flatMap(({ service }) => [...service.objects.keys()]);
  const isOurs = (key: ObjectKey) => key.startsWith(WRITE_AHEAD_PREFIX) || key.startsWith(SEGMENT_PREFIX);
  const isOld = (key: ObjectKey) => (uploadEpochOf(key) ?? Number.POSITIVE_INFINITY) <= lastEpoch;
  return new Set(keys.filter((key) => isOurs(key) && isOld(key) && !references.has(key)));
}

function checkGone(world: World, garbage: ReadonlySet<ObjectKey>): void {
  for (const { id, service } of world.stores) {
    for (const key of garbage) {
      if (!service.objects.has(key)) continue;
      world.history.problems.push(`checkNothingLeft: store ${id} still has ${key}, which nobody needs`);
    }
  }
  for (const [key, by] of world.truth.workers?.references() ?? []) {
    if (world.stores.some(({ service }) => service.objects.has(key))) continue;
    world.history.problems.push(`checkNothingNeededDeleted: ${key}, needed by ${by}, is nowhere`);
  }
}
