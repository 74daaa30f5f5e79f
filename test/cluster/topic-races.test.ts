import { expect, test } from "vitest";
import type { JournalCall, JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { AdminResult } from "#lib/cluster/admin-result.ts";
import type { RequestedOperation } from "#lib/cluster/config-alteration.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type ClusterProcess, ClusterWorld, FOR_GOOD, LOG_JOURNAL_COUNT, NEVER, newTopic } from "./cluster-harness.ts";

/** Now and then an answer is lost, comes late or is a refusal. */
class RandomFaults implements JournalFaultPlan {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  next({ method }: JournalCall): JournalFault | undefined {
    if (method !== "append") return undefined;
    switch (this.#random.below(8)) {
      case 0:
        return { kind: "lost-answer" };
      case 1:
        return { kind: "failure" };
      case 2:
        return { kind: "late-effect", afterMs: this.#random.below(50) };
      case 3:
        return { kind: "throttle" };
      default:
        return undefined;
    }
  }
}

/** Dies at its n-th append, before or after the effect. */
class DeathAtAppend implements JournalFaultPlan {
  #left: number;
  readonly #hasEffect: boolean;

  constructor(n: number, hasEffect: boolean) {
    this.#left = n;
    this.#hasEffect = hasEffect;
  }

  next({ method }: JournalCall): JournalFault | undefined {
    if (method !== "append") return undefined;
    this.#left--;
    return this.#left === 0 ? { kind: "death", hasEffect: this.#hasEffect } : undefined;
  }
}

test.each([1, 2, 3, 4, 5, 6])("of racing creators of one name exactly one wins, seed %i", async (seed) => {
  const world = new ClusterWorld();
  const processes: ClusterProcess[] = [];
  for (let n = 0; n < 4; n++) processes.push(await world.start({ faults: new RandomFaults(seed * 10 + n) }));
  const results = await world.run(
    Promise.all(processes.map(({ admin }, n) => admin.createTopic(newTopic("t", { partitionCount: n + 1 }), FOR_GOOD))),
  );
  const won = results.filter((each) => each.kind === "done");
  expect(won).toHaveLength(1);
  for (const each of results) {
    if (each.kind === "refused") expect(each.error).toBe(ErrorCode.TOPIC_ALREADY_EXISTS);
  }
  const { view } = await world.start();
  expect(view.topics()).toHaveLength(1);
  expect(view.topicByName("t")).toMatchObject({ topicId: won[0]?.kind === "done" ? won[0].value.topicId : "none" });
});

test.each([1, 2, 3, 4])("racing alterations do not lose each other, seed %i", async (seed) => {
  const world = new ClusterWorld();
  const first = await world.start();
  await world.run(first.admin.createTopic(newTopic("t"), FOR_GOOD));
  const key = "leader.replication.throttled.replicas";
  const alterations: RequestedOperation[][] = [
    [{ kind: "append", key, value: "0:1" }],
    [{ kind: "append", key, value: "1:1" }],
    [{ kind: "set", key: "retention.ms", value: "1000" }],
    [
      { kind: "set", key: "segment.ms", value: "2000" },
      { kind: "append", key, value: "2:1" },
    ],
  ];
  const processes: ClusterProcess[] = [];
  for (const n of alterations.keys()) processes.push(await world.start({ faults: new RandomFaults(seed * 10 + n) }));
  const results: AdminResult<unknown>[] = await world.run(
    Promise.all(
      processes.map(({ admin }, n) => {
        const operations = defined(alterations[n]);
        return admin.alterTopicConfigs("t", { replacesAll: false, operations }, FOR_GOOD);
      }),
    ),
  );
  expect(results.map(({ kind }) => kind)).toEqual(["done", "done", "done", "done"]);
  const { view } = await world.start();
  const configs = defined(view.topicByName("t")).configs;
  expect(configs.get("retention.ms")).toBe("1000");
  expect(configs.get("segment.ms")).toBe("2000");
  expect(configs.get(key)?.split(",").sort()).toEqual(["0:1", "1:1", "2:1"]);
});

/** A world with a topic whose every partition is open in its log journal. */
async function openedTopic(): Promise<{ world: ClusterWorld; topicId: TopicId }> {
  const world = new ClusterWorld();
  const { admin, view, logJournals } = await world.start();
  await world.run(admin.createTopic(newTopic("t"), FOR_GOOD));
  const { topicId, replicationFactor, minInsyncReplicas, clusterSeq } = defined(view.topicByName("t")).placement;
  for (let number = 0; number < LOG_JOURNAL_COUNT; number++) {
    const journal = await world.run(logJournals.journal(number, NEVER));
    const command = { kind: "open", topicId, replicationFactor, minInsyncReplicas, clusterSeq } as const;
    await world.run(journal.propose({ ...command, partitionIndexes: [number] }, { lane: "test", signal: NEVER }));
  }
  return { world, topicId };
}

async function openPartitionCount(world: ClusterWorld, { logJournals }: ClusterProcess): Promise<number> {
  const journals = await world.run(logJournals.openAll(NEVER));
  return journals.reduce((sum, { state }) => sum + state.partitions.size, 0);
}

// The mark, a drop in each of the log journals, and the end.
const STEPS = 1 + LOG_JOURNAL_COUNT + 1;
const deaths = Array.from({ length: STEPS }, (_, at) => at + 1).flatMap((n): [number, boolean][] => [
  [n, true],
  [n, false],
]);

test.each(deaths)(
  "a deletion whose process dies at append %i (effect: %s) is finished by another",
  async (n, effect) => {
    const { world, topicId } = await openedTopic();
    const dying = await world.start({ faults: new DeathAtAppend(n, effect) });
    const gaveUp = new AbortController();
    const deletion = dying.admin.deleteTopic(topicId, gaveUp.signal).catch(() => undefined);
    await world.clock.advance(60_000);
    gaveUp.abort(new Error("the client has gone"));
    await deletion;
    expect(dying.memory.isDead).toBe(true);

    const heir = await world.start();
    const isMarked = n > 1 || effect;
    expect(heir.view.topicByName("t") === undefined).toBe(isMarked);
    if (!isMarked) await world.run(heir.admin.deleteTopic(topicId, NEVER));
    expect(await world.run(heir.admin.resumeDeletions(NEVER))).toBe(0);
    expect(await openPartitionCount(world, heir)).toBe(0);
    expect(heir.journal.state.topicIdsByName.has("t")).toBe(false);
    expect(await world.run(heir.admin.createTopic(newTopic("t"), FOR_GOOD))).toMatchObject({ kind: "done" });
  },
);

test("creating a topic under the name of a half-deleted one finishes the deletion first", async () => {
  const { world, topicId } = await openedTopic();
  const process = await world.start();
  await world.run(process.journal.propose({ kind: "delete-topic", topicId }, { lane: "test", signal: NEVER }));
  const created = await world.run(process.admin.createTopic(newTopic("t"), FOR_GOOD));
  expect(created).toMatchObject({ kind: "done" });
  expect(await openPartitionCount(world, process)).toBe(0);
});

test("a topic that is deleted by two processes at once is gone, and one of them says so", async () => {
  const { world, topicId } = await openedTopic();
  const [a, b] = [await world.start(), await world.start()];
  const results = await world.run(
    Promise.all([a.admin.deleteTopic(topicId, NEVER), b.admin.deleteTopic(topicId, NEVER)]),
  );
  expect(results.map(({ kind }) => kind).sort()).toEqual(["done", "refused"]);
  await world.run(a.view.refresh(NEVER));
  expect(a.journal.state.topics.size).toBe(0);
});

test("a log journal that fails leaves the topic deleted and its name for later", async () => {
  const { world, topicId } = await openedTopic();
  let isBroken = true;
  const faults: JournalFaultPlan = {
    next: ({ journal }) => (isBroken && journal.startsWith("log-") ? { kind: "failure" } : undefined),
  };
  const { admin, view, journal } = await world.start({ faults });
  const patience = new AbortController();
  const deletion = admin.deleteTopic(topicId, patience.signal);
  await world.clock.advance(10_000);
  patience.abort(new Error("time is over"));
  expect(await deletion).toMatchObject({ kind: "done" });
  expect(view.topicByName("t")).toBeUndefined();
  expect(journal.state.topicIdsByName.has("t")).toBe(true);
  isBroken = false;
  expect(await world.run(admin.resumeDeletions(NEVER))).toBe(0);
  expect(journal.state.topicIdsByName.has("t")).toBe(false);
});

test("a writer with a view from before the deletion cannot bring the topic back", async () => {
  const { world, topicId } = await openedTopic();
  const late = await world.start();
  const { replicationFactor, minInsyncReplicas, clusterSeq } = defined(late.view.find(topicId));
  const deleter = await world.start();
  await world.run(deleter.admin.deleteTopic(topicId, NEVER));
  const journal = await world.run(late.logJournals.journal(0, NEVER));
  const open = {
    kind: "open",
    topicId,
    partitionIndexes: [0],
    replicationFactor,
    minInsyncReplicas,
    clusterSeq,
  } as const;
  const { outcome } = await world.run(journal.propose(open, { lane: "test", signal: NEVER }));
  expect(outcome).toEqual({ kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_ID });
});
