import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type CoordinatorProcess, CoordinatorWorld, TestMember } from "./coordinator-world.ts";
import { NEVER } from "./group-world.ts";
import { TestConsumer } from "./test-consumer.ts";

const PROCESSES = 9;
const CLASSIC_SESSION_MS = 30_000;
const CONSUMER_SESSION_MS = 45_000;

/** Processes that all know the group's journal from the beginning, and the first heartbeats of a member among them. */
interface Wanderer {
  readonly world: CoordinatorWorld;
  readonly processes: readonly CoordinatorProcess[];
  /** A heartbeat at that process; what it was answered. */
  beat(process: CoordinatorProcess): Promise<number>;
}

function started(): { readonly world: CoordinatorWorld; readonly processes: readonly CoordinatorProcess[] } {
  const world = new CoordinatorWorld();
  return { world, processes: Array.from({ length: PROCESSES }, () => world.start()) };
}

async function classicMember(): Promise<Wanderer> {
  const { world, processes } = started();
  const member = new TestMember(at(processes, 0), { sessionTimeoutMs: CLASSIC_SESSION_MS });
  await world.run(member.joinAndSync());
  return {
    world,
    processes,
    beat(process) {
      member.process = process;
      return world.run(member.heartbeat());
    },
  };
}

async function consumer(): Promise<Wanderer> {
  const { world, processes } = started();
  const member = new TestConsumer(at(processes, 0), "a");
  await world.run(member.beat());
  return {
    world,
    processes,
    async beat(process) {
      member.process = process;
      await world.run(member.beat());
      return member.error;
    },
  };
}

function at(processes: readonly CoordinatorProcess[], index: number): CoordinatorProcess {
  const process = processes[index];
  if (process === undefined) throw new Error(`no process ${index}`);
  return process;
}

test.each([
  ["classic", CLASSIC_SESSION_MS, classicMember],
  ["consumer", CONSUMER_SESSION_MS, consumer],
] as const)(
  "a %s member that changes the process before each heartbeat is due is not expelled",
  async (_, sessionMs, make) => {
    const { world, processes, beat } = await make();
    for (const process of processes) await world.run(process.coordinator.observeAll(NEVER));
    const beatMs = sessionMs / 10;
    const errors: number[] = [];
    for (let n = 1; n < PROCESSES - 1; n++) {
      // Three heartbeats at each process, the last of them just before a third of the session is over.
      for (let count = 0; count < 3; count++) {
        errors.push(await beat(at(processes, n)));
        await world.clock.advance(beatMs);
      }
    }
    expect(errors.filter((error) => error !== ErrorCode.NONE)).toEqual([]);
  },
);

test.each([
  ["classic", classicMember],
  ["consumer", consumer],
] as const)(
  "a %s member that comes to another process is shown by the journal at once, and not again",
  async (_, make) => {
    const { world, processes, beat } = await make();
    const journaled = async () => {
      const [journal] = await world.run(at(processes, 8).coordinator.access.allJournals(NEVER));
      return journal?.seq ?? 0;
    };
    await world.clock.advance(3_000);
    const before = await journaled();
    await beat(at(processes, 0));
    expect((await journaled()) - before).toBe(0);
    await beat(at(processes, 1));
    expect((await journaled()) - before).toBe(1);
    await world.clock.advance(3_000);
    await beat(at(processes, 1));
    expect((await journaled()) - before).toBe(1);
  },
);
