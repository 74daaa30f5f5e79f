import { describe, expect, test } from "vitest";
import { describeError } from "#lib/runtime/logger.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { checkStates } from "./group-checks.ts";
import { drawGroupProfile } from "./group-profile.ts";
import { GroupWorld } from "./group-world.ts";
import { InstanceClient } from "./instance-client.ts";
import { InstanceTruth } from "./instance-truth.ts";

// Consumer instances in the world of groups: processes die and freeze, answers are lost, clients nap beyond their time-outs.
// No record may ever be passed over, and when peace comes everything is delivered.

const SEEDS = Array.from({ length: 6 }, (_, index) => index + 1);
const CLIENTS = 3;
const SPAN_MS = 120_000;
const SETTLE_MS_MAX = 300_000;
const STATES_MS = 10_000;

interface InstanceResult {
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly deliveries: number;
  readonly expiries: number;
}

async function runInstances(seed: number): Promise<InstanceResult> {
  const random = new SeededRandom(seed);
  const profile = { ...drawGroupProfile(random), groups: [], growsTopic: false, spanMs: SPAN_MS };
  let elapsedMs = () => 0;
  const truth = new InstanceTruth(() => elapsedMs());
  const world = new GroupWorld(profile, random, { machine: (machine) => truth.watching(machine) });
  const { scheduler, problems } = world;
  elapsedMs = () => scheduler.elapsedMs;
  const ends: number[] = Array.from({ length: profile.partitionCount }, () => 0);
  const write = () => {
    for (const [partition, end] of ends.entries()) ends[partition] = end + random.below(4);
    if (!world.isHealed) scheduler.schedule(500, write);
  };
  write();
  const look = () => {
    problems.push(...checkStates(world));
    scheduler.schedule(STATES_MS, look);
  };
  look();
  for (let at = 0; at < CLIENTS; at++) {
    const client = new InstanceClient(world, `i${at}`, ends);
    client.run().catch((error: unknown) => problems.push(`the simulation itself failed: ${describeError(error)}`));
  }
  const isDelivered = () => ends.every((end, partition) => (truth.delivered.get(partition) ?? 0) >= end);
  try {
    await runFor(world, SPAN_MS, () => false);
    world.heal();
    await runFor(world, SETTLE_MS_MAX, isDelivered);
    if (!isDelivered()) problems.push(`checkProgress: of ${ends} only ${[...truth.delivered]} are delivered`);
    problems.push(...checkStates(world));
  } catch (error) {
    problems.push(`checkProgress: ${describeError(error)}`);
  }
  return {
    violations: [...new Set([...truth.problems, ...world.truth.problems, ...problems])],
    traceHash: scheduler.traceHash,
    deliveries: truth.deliveryCount,
    expiries: truth.expiryCount,
  };
}

async function runFor({ scheduler }: GroupWorld, ms: number, isEnough: () => boolean): Promise<void> {
  let isOver = false;
  scheduler.schedule(ms, () => {
    isOver = true;
  });
  await scheduler.run(() => isOver || isEnough());
}

describe("consumer instances in a simulated world", { timeout: 60_000 }, () => {
  test("pass no record over, and deliver everything in the end", async () => {
    const broken: string[] = [];
    let deliveries = 0;
    let expiries = 0;
    for (const seed of SEEDS) {
      const result = await runInstances(seed);
      broken.push(...result.violations.map((violation) => `seed ${seed}: ${violation}`));
      deliveries += result.deliveries;
      expiries += result.expiries;
    }
    expect(broken).toEqual([]);
    expect(deliveries).toBeGreaterThan(50 * SEEDS.length);
    expect(expiries).toBeGreaterThan(0);
  });

  test("take the same course for the same seed", async () => {
    expect(await runInstances(1)).toEqual(await runInstances(1));
  });
});
