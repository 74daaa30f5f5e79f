import { expect, test } from "vitest";
import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type CoordinatorProcess, CoordinatorWorld } from "./coordinator-world.ts";
import { GROUP } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";
import { CONFIG } from "./instance-fixtures.ts";
import { type Delivered, pollGroup } from "./instance-poller.ts";

// Instances of one group, polled at random processes, several at once, while they and the processes come and go. With
// auto-commit and nobody expelled each record is to be delivered once, whoever had its partition; where two polls of one
// instance run at once, a partition may go to another member before the client has confirmed what the other poll delivers.

const NAMES = ["a", "b", "c"];
const PARTITION_COUNT = 4;
const ROUNDS = 40;

interface DeliveredBy extends Delivered {
  readonly by: string;
}

class Faults implements JournalFaultPlan {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  next(): JournalFault | undefined {
    return this.#random.chance(0.3) ? { kind: "slow", ms: this.#random.below(30) } : undefined;
  }
}

class SharingWorld extends CoordinatorWorld {
  readonly random: SeededRandom;
  readonly processes: CoordinatorProcess[] = [];
  readonly delivered: DeliveredBy[] = [];
  readonly made = new Set<string>();
  /** How far each partition is written. */
  readonly ends: number[] = Array.from({ length: PARTITION_COUNT }, () => 0);

  readonly #isOneAtATime: boolean;

  constructor(seed: number, { isOneAtATime }: { readonly isOneAtATime: boolean }) {
    super();
    this.#isOneAtATime = isOneAtATime;
    this.random = new SeededRandom(seed);
    for (let at = 0; at < 2; at++) this.add();
  }

  add(): void {
    this.processes.push(this.start({}, new Faults(this.random)));
  }

  get anyProcess(): CoordinatorProcess {
    const process = this.processes[this.random.below(this.processes.length)];
    if (process === undefined) throw new Error("there is no process");
    return process;
  }

  async create(name: string): Promise<void> {
    const { instances } = this.anyProcess.coordinator;
    const who = { groupId: GROUP, instanceId: name };
    const error = await instances.create(who, { ...CONFIG, autoOffsetReset: "earliest" }, NEVER);
    expect(error).toBe(ErrorCode.NONE);
    const subscription = { kind: "topics", topicNames: ["orders"] } as const;
    expect(await instances.subscribe(who, { subscription, clusterSeq: 1 }, NEVER)).toBe("done");
    this.made.add(name);
  }

  async delete(name: string): Promise<void> {
    this.made.delete(name);
    const { instances } = this.anyProcess.coordinator;
    expect(await instances.delete({ groupId: GROUP, instanceId: name }, NEVER)).toBe("done");
  }

  async poll(name: string): Promise<void> {
    const { instances } = this.anyProcess.coordinator;
    const fetch = async ({ partitions }: InstanceView) => {
      await this.clock.sleep(this.random.below(20));
      return partitions.flatMap(({ partitionIndex: partition, offset: from = 0 }) => {
        const to = Math.min(from + 1 + this.random.below(3), this.ends[partition] ?? 0);
        return to > from ? [{ partition, from, to }] : [];
      });
    };
    const found = await pollGroup(instances, { groupId: GROUP, instanceId: name }, { fetch }, NEVER);
    this.delivered.push(...found.map((each) => ({ ...each, by: name })));
  }

  write(): void {
    for (const [partition, end] of this.ends.entries()) this.ends[partition] = end + this.random.below(4);
  }

  async round(): Promise<void> {
    const { random } = this;
    if (random.chance(0.2)) {
      const name = NAMES[random.below(NAMES.length)] ?? "a";
      if (!this.made.has(name)) await this.create(name);
      else if (this.made.size > 1) await this.delete(name);
    }
    if (random.chance(0.1)) {
      this.processes.splice(random.below(this.processes.length), 1)[0]?.kill();
      this.add();
    }
    this.write();
    const names = [...this.made];
    const polled = Array.from({ length: 1 + random.below(4) }, () => names[random.below(names.length)] ?? "");
    await Promise.all((this.#isOneAtATime ? [...new Set(polled)] : polled).map((name) => this.poll(name)));
    await this.clock.sleep(200);
  }
}

function problemsOf({ delivered, ends }: SharingWorld, isOnce: boolean): readonly string[] {
  return ends.flatMap((end, partition) => {
    const parts = delivered.filter((each) => each.partition === partition);
    const problems: string[] = [];
    let next = 0;
    for (const { from, to, by } of parts.toSorted((one, other) => one.from - other.from)) {
      if (from > next || (from < next && isOnce))
        problems.push(`${by} gets ${partition} from ${from}, and ${next} is next`);
      next = Math.max(next, to);
    }
    return next === end ? problems : [...problems, `${partition} is delivered up to ${next} of ${end}`];
  });
}

async function live(world: SharingWorld): Promise<void> {
  await world.create("a");
  for (let round = 0; round < ROUNDS; round++) await world.round();
  // Whoever is left comes to what there is.
  for (let round = 0; round < 40 && problemsOf(world, false).length > 0; round++) {
    for (const name of world.made) await world.poll(name);
    await world.clock.sleep(200);
  }
}

const SEEDS = Array.from({ length: 10 }, (_, index) => index + 1);

test.each(SEEDS)("each record goes to one poll while instances and processes come and go, seed %i", async (seed) => {
  const world = new SharingWorld(seed, { isOneAtATime: true });
  await world.run(live(world));
  expect(problemsOf(world, true)).toEqual([]);
  expect(new Set(world.delivered.map(({ by }) => by)).size).toBeGreaterThan(1);
});

test.each(SEEDS)("no record is passed over where an instance is polled twice at once, seed %i", async (seed) => {
  const world = new SharingWorld(seed, { isOneAtATime: false });
  await world.run(live(world));
  expect(problemsOf(world, false)).toEqual([]);
});
