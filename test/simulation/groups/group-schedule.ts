import { describeError } from "#lib/runtime/logger.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { checkCalm, checkSettled, checkStates } from "./group-checks.ts";
import { type GroupDecorations, SOUND_GROUPS } from "./group-decorations.ts";
import { populate } from "./group-population.ts";
import { describeGroupProfile, drawGroupProfile, type GroupProfile } from "./group-profile.ts";
import { GroupWorld } from "./group-world.ts";

export interface GroupScheduleResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly events: number;
  /** Commits of offsets that were taken. */
  readonly commits: number;
  /** Generations, or group epochs, at which the groups have arrived. */
  readonly generations: number;
  readonly profile: string;
}

export interface GroupScheduleOptions {
  readonly decorations?: GroupDecorations;
  /** Changes what the seed has drawn. */
  readonly profile?: Partial<GroupProfile>;
  readonly onTrace?: (line: string) => void;
  /** Ends the world when something has been found on the way. */
  readonly stopsEarly?: boolean;
}

/** When nothing goes wrong any more every member has its part within this time. */
const SETTLE_MS_MAX = 10 * 60 * 1_000;
const HANG_MS_MAX = 60 * 1_000;
const LOOK_MS = 5_000;
const STATES_MS = 10_000;

/** Runs the groups of one seed to their end: troubles, then peace, then nothing may move any more. */
export async function runGroupSchedule(seed: number, options: GroupScheduleOptions = {}): Promise<GroupScheduleResult> {
  const random = new SeededRandom(seed);
  const profile: GroupProfile = { ...drawGroupProfile(random), ...options.profile };
  const world = new GroupWorld(profile, random, options.decorations ?? SOUND_GROUPS);
  const { scheduler, problems, truth } = world;
  scheduler.onTrace = options.onTrace;
  const isFound = () => options.stopsEarly === true && problems.length + truth.problems.length > 0;
  try {
    for (const group of world.groups) populate(world, group);
    lookAtStates(world);
    await runFor(world, profile.spanMs, isFound);
    world.heal();
    if (!isFound()) await settle(world, isFound);
  } catch (error) {
    problems.push(`checkProgress: ${describeError(error)}`);
  }
  return {
    seed,
    violations: [...new Set([...truth.problems, ...problems])],
    traceHash: scheduler.traceHash,
    events: scheduler.eventCount,
    commits: sum(world.groups.map((group) => group.truth.commitNames.size)),
    generations: sum(world.groups.map((group) => group.truth.generation)),
    profile: describeGroupProfile(profile),
  };
}

/** Looks at what processes hold, now and then, for what is wrong there is wrong for good. */
function lookAtStates(world: GroupWorld): void {
  world.scheduler.schedule(STATES_MS, () => {
    world.problems.push(...checkStates(world));
    lookAtStates(world);
  });
}

async function settle(world: GroupWorld, isFound: () => boolean): Promise<void> {
  const { profile, problems, scheduler } = world;
  // Calls that hang are given up by then.
  await runFor(world, HANG_MS_MAX, isFound);
  const endMs = scheduler.elapsedMs + SETTLE_MS_MAX;
  do await runFor(world, LOOK_MS, isFound);
  while (!isFound() && scheduler.elapsedMs < endMs && checkSettled(world).length > 0);
  if (isFound()) return;
  problems.push(...checkSettled(world));
  if (problems.length > 0) return;
  const before = world.groups.map(({ truth }) => truth.generation);
  await runFor(world, 3 * profile.sessionTimeoutMs, isFound);
  problems.push(...checkCalm(world, before), ...checkSettled(world), ...checkStates(world));
}

async function runFor(world: GroupWorld, ms: number, isFound: () => boolean): Promise<void> {
  let isOver = false;
  world.scheduler.schedule(ms, () => {
    isOver = true;
  });
  await world.scheduler.run(() => isOver || isFound());
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
