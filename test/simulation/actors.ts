import { partitionKey } from "#lib/log/log-state.ts";
import { journalOfPartition } from "#lib/log/partition-directory.ts";
import type { TopicId } from "#lib/util/branded.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { checkFixpoint } from "./invariants.ts";
import { NEXT_LEVEL, TO_THE_END } from "./level-two.ts";
import { logUniform } from "./profile.ts";
import { runStorms } from "./replicas/storms.ts";
import { checkSurvival } from "./replicas/survival.ts";
import { act } from "./services.ts";
import type { SimBroker } from "./sim-broker.ts";
import type { World } from "./world.ts";

// Everybody who is not a producer or a consumer: the administrator, the housekeeper, and chance.

/** Makes a topic, trying until some process says that it stands. */
export async function createTopic(world: World, name: string, partitionCount: number): Promise<void> {
  const random = world.fork();
  const { replicationFactor, replicas, workers } = world.profile;
  const minInsync = replicas?.minInsyncReplicas;
  const configs = new Map(workers?.topicConfigs(random));
  if (minInsync !== undefined) configs.set("min.insync.replicas", String(minInsync));
  for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, 600_000)) {
    const done = await administer(world, random, async (broker, signal) => {
      const topic = { name, partitionCount, replicationFactor, configs };
      const result = await broker.topicAdmin.createTopic(topic, { validateOnly: false, signal });
      return result.kind === "done" || result.message.includes("exists");
    });
    if (done === true) return;
    await world.scheduler.sleep(waitMs);
  }
}

async function administer<T>(
  world: World,
  random: SeededRandom,
  work: (broker: SimBroker, signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const broker = world.anyBroker(random);
  if (broker === undefined) {
    await world.scheduler.sleep(100);
    return undefined;
  }
  const connection = world.connect(broker, random);
  const reply = await connection.call(act(work), 60_000);
  connection.close();
  return reply.kind === "answer" ? reply.value : undefined;
}

/** Deletes, makes again, grows and alters topics, and advances log starts, while clients are at work. */
export async function runAdministrator(world: World, topicNames: readonly string[]): Promise<void> {
  const random = world.fork();
  const { profile, scheduler } = world;
  for (let count = 0; count < profile.adminOperations; count++) {
    await scheduler.sleep(profile.thinkMs(random) * 3);
    const name = topicNames[random.below(topicNames.length)] ?? "";
    const draw = random.below(100);
    if (draw < 20) await deleteTopic(world, random, name);
    else if (draw < 35) {
      await administer(world, random, (broker, signal) =>
        broker.topicAdmin.createPartitions(name, 1 + random.below(4), { validateOnly: false, signal }),
      );
    } else if (draw < 55) await alterConfig(world, random, name);
    else await advanceLogStart(world, random, name);
  }
}

async function deleteTopic(world: World, random: SeededRandom, name: string): Promise<void> {
  const topicId = await administer(world, random, async (broker, signal): Promise<TopicId | undefined> => {
    const topic = broker.view.topicByName(name);
    if (topic === undefined) return undefined;
    const result = await broker.topicAdmin.deleteTopic(topic.topicId, signal);
    return result.kind === "done" ? topic.topicId : undefined;
  });
  world.scheduler.trace(`delete ${name}: ${topicId}`);
  await world.scheduler.sleep(world.profile.thinkMs(random));
  if (random.chance(0.8)) await createTopic(world, name, 1 + random.below(3));
}

async function alterConfig(world: World, random: SeededRandom, name: string): Promise<void> {
  const value = String(1 + random.below(world.profile.replicationFactor));
  const operation = { kind: "set", key: "min.insync.replicas", value } as const;
  await administer(world, random, (broker, signal) =>
    broker.topicAdmin.alterTopicConfigs(
      name,
      { replacesAll: false, operations: [operation] },
      { validateOnly: false, signal },
    ),
  );
}

/** What DeleteRecords and retention do. */
async function advanceLogStart(world: World, random: SeededRandom, name: string): Promise<void> {
  await administer(world, random, async (broker, signal) => {
    const topic = broker.view.topicByName(name);
    if (topic === undefined) return;
    const { placement, topicId } = topic;
    const partitionIndex = random.below(topic.partitionCount);
    const journal = await broker.logJournals.journal(journalOfPartition(placement, partitionIndex), signal);
    const partition = journal.state.partitions.get(partitionKey(topicId, partitionIndex));
    if (partition === undefined) return;
    const logStartOffset = random.below(partition.logEndOffset + 1);
    const command = { kind: "advance-log-start", topicId, partitionIndex, logStartOffset } as const;
    await journal.propose(command, { lane: "log-start", signal });
  });
}

/** Raises the feature level of every log journal, then uses what it allows. */
export async function runUpgrade(world: World): Promise<void> {
  const random = world.fork();
  const { scheduler, profile } = world;
  for (let count = 0; count < 8; count++) {
    await scheduler.sleep(profile.thinkMs(random) * 3);
    await administer(world, random, async (broker, signal) => {
      if (broker.options.logMachine.featureLevel < NEXT_LEVEL || broker.host.name.startsWith("old")) return;
      for (const replica of broker.logReplicas.values()) {
        await replica.raiseFeatureLevel(NEXT_LEVEL, signal);
        const [partition] = [...replica.state.partitions.values()];
        if (partition === undefined || random.chance(0.5)) continue;
        const { topicId, partitionIndex } = partition;
        const command = { kind: "advance-log-start", topicId, partitionIndex, logStartOffset: TO_THE_END } as const;
        await replica.propose(command, { lane: "log-start", signal });
      }
    });
  }
}

/** Commands larger than a record: half a megabyte that a fold looks at and does nothing about. */
export async function runLargeCommands(world: World): Promise<void> {
  const random = world.fork();
  for (let count = 0; count < 3; count++) {
    await world.scheduler.sleep(world.profile.thinkMs(random) * 3);
    await administer(world, random, async (broker, signal) => {
      const [replica] = [...broker.logReplicas.values()];
      if (replica === undefined || replica.state.replicas.length === 0) return;
      const replicas = new Array<number>(250_000).fill(9_999);
      await replica.propose({ kind: "place-replicas", replicas }, { lane: "large", signal });
    });
  }
}

/** Snapshots, trims and retention, at some process at a time, as a schedule would call for them. */
export async function runHousekeeper(
  world: World,
  topicNames: readonly string[],
  isDone: () => boolean,
): Promise<void> {
  const random = world.fork();
  const { scheduler, profile } = world;
  while (profile.housekeepingMs > 0 && !isDone()) {
    await scheduler.sleep(logUniform(random, profile.housekeepingMs / 10, profile.housekeepingMs * 2));
    const broker = world.anyBroker(random);
    if (broker === undefined) continue;
    broker.host.deliver(0, () => {
      const tending = broker.tend(new AbortController().signal);
      tending.catch(() => undefined);
      world.mustEnd(broker, "its housekeeping", tending);
    });
    const name = topicNames[random.below(topicNames.length)] ?? "";
    if (random.chance(profile.retentionRate)) await advanceLogStart(world, random, name);
  }
}

/** Looks into running processes now and then. */
export async function runInspector(world: World, isDone: () => boolean): Promise<void> {
  const random = world.fork();
  while (!isDone()) {
    await world.scheduler.sleep(4 * world.profile.thinkMs(random) + 1);
    const broker = world.anyBroker(random);
    if (broker === undefined || broker.host.isDead || broker.isStopped) continue;
    for (const problem of checkFixpoint(broker, world.truth)) world.history.problems.push(problem);
    if (world.profile.replicas !== undefined) world.history.problems.push(...checkSurvival(world));
  }
}

/** Kills and restarts processes, freezes them, takes stores away. */
export function startChaos(world: World, isDone: () => boolean): void {
  const { profile } = world;
  const random = world.fork();
  if (profile.replicas !== undefined) void runStorms(world, profile.replicas, isDone);
  void every(world, profile.killEveryMs, isDone, () => {
    const broker = world.anyBroker(random);
    if (broker !== undefined) world.kill(broker.host);
  });
  void every(world, profile.freezeEveryMs, isDone, () => {
    const broker = world.anyBroker(random);
    if (broker !== undefined) world.freeze(broker.host);
  });
  void every(world, profile.outageEveryMs, isDone, () => {
    const store = world.stores[random.below(world.stores.length)];
    if (store === undefined) return;
    const isFull = random.chance(0.5);
    if (isFull) store.isFull = true;
    else store.service.isDown = true;
    world.scheduler.trace(`store ${store.id} ${isFull ? "is full" : "is down"}`);
    world.scheduler.schedule(logUniform(random, 100, 60_000), () => {
      store.isFull = false;
      store.service.isDown = false;
    });
  });
}

async function every(world: World, everyMs: number, isDone: () => boolean, act: () => void): Promise<void> {
  const random = world.fork();
  while (everyMs > 0) {
    await world.scheduler.sleep(logUniform(random, everyMs / 20, everyMs * 2));
    if (isDone() || world.isHealed) return;
    act();
  }
}
