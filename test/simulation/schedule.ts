import { CLUSTER_JOURNAL_ID } from "#lib/cluster/cluster-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import {
  createTopic,
  runAdministrator,
  runHousekeeper,
  runInspector,
  runLargeCommands,
  runUpgrade,
  startChaos,
} from "./actors.ts";
import { NO_RECORDS } from "./batches.ts";
import type { Connection } from "./connection.ts";
import { Consumer, seenBatches } from "./consumers.ts";
import { type Decorations, SOUND } from "./decorations.ts";
import { checkFixpoint, checkHistory } from "./invariants.ts";

import { checkLinearizability } from "./partition-histories.ts";
import { runIdempotentProducer, runPlainProducer } from "./producers.ts";
import { describeProfile, drawProfile, type Profile } from "./profile.ts";
import { giveUp, standsForLost } from "./replicas/give-up.ts";
import { checkSettled } from "./replicas/settled.ts";
import { checkSurvival, checkWhole, takeAway } from "./replicas/survival.ts";
import { fetch, listOffset, type Named } from "./services.ts";
import type { SimBroker } from "./sim-broker.ts";
import type { TruePartition } from "./truth.ts";
import { bringToRest, runWorkers } from "./workers/worker-actors.ts";
import { World } from "./world.ts";

export interface ScheduleResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Histories of partitions whose search for an explaining log was given up. */
  readonly undecided: number;
  readonly traceHash: string;
  readonly events: number;
  readonly commits: number;
  readonly acknowledged: number;
  readonly profile: string;
}

export interface ScheduleOptions {
  readonly decorations?: Decorations;
  /** What the world is like; left out: one of logs. */
  readonly draw?: (random: SeededRandom) => Profile;
  /** Changes what the seed has drawn. */
  readonly profile?: Partial<Profile>;
  readonly onTrace?: (line: string) => void;
  /** Ends the world when something has been found on the way: for planted bugs, which break it again and again. */
  readonly stopsEarly?: boolean;
}

/** Long enough for whatever is still under way to land: signatures, timers and tries all end within. */
const AFTERMATH_MS = 30 * 60 * 1000;
/** A world in which clients have not come to their end by then stands still. */
const WORLD_MS_MAX = 60 * 24 * 60 * 60 * 1000;

/** Runs the world of one seed to its end and looks at what is left. */
export async function runSchedule(seed: number, options: ScheduleOptions = {}): Promise<ScheduleResult> {
  const random = new SeededRandom(seed);
  const profile: Profile = { ...(options.draw ?? drawProfile)(random), ...options.profile };
  const world = new World(profile, random, options.decorations ?? SOUND);
  const { scheduler, history, truth } = world;
  scheduler.onTrace = options.onTrace;
  const work = { isDone: false };
  const live = runClients(world, () => work.isDone);
  live
    .catch((error: unknown) => history.problems.push(`the simulation itself failed: ${describeError(error)}`))
    .finally(() => {
      work.isDone = true;
    });
  const isFound = () => options.stopsEarly === true && history.problems.length + truth.problems.length > 0;
  try {
    await scheduler.run(() => work.isDone || isFound() || scheduler.elapsedMs > WORLD_MS_MAX);
    if (!isFound()) await endWorld(world, work);
  } catch (error) {
    history.problems.push(`checkProgress: ${describeError(error)}`);
  }
  const topicNames = new Map([...truth.topics.values()].map(({ topicId, name }) => [topicId, name]));
  const { problems, undecided } = checkLinearizability(history, topicNames);
  const violations = [...new Set([...checkHistory(history, truth), ...problems])];
  return {
    seed,
    violations,
    undecided,
    traceHash: scheduler.traceHash,
    events: scheduler.eventCount,
    commits: [...truth.partitions.values()].reduce((sum, { batches }) => sum + batches.length, 0),
    acknowledged: history.appends.filter(({ result }) => result.kind === "acknowledged").length,
    profile: describeProfile(profile),
  };
}

/** What is under way comes to its end, nothing goes wrong any more, and everything is looked at. */
async function endWorld(world: World, work: { readonly isDone: boolean }): Promise<void> {
  if (!work.isDone) world.history.problems.push("checkProgress: clients do not come to their end");
  await runFor(world, AFTERMATH_MS / 10);
  world.heal();
  await runFor(world, aftermathMs(world.profile));
  await examineEnd(world);
}

/** Brokers are never at rest, so less of it is looked at where there are any: repairs, registrations and elections end. */
function aftermathMs({ replicas }: Profile): number {
  return replicas === undefined ? AFTERMATH_MS : AFTERMATH_MS / 3 + 3 * replicas.sessionMs;
}

async function runFor(world: World, ms: number): Promise<void> {
  let isOver = false;
  world.scheduler.schedule(ms, () => {
    isOver = true;
  });
  await world.scheduler.run(() => isOver);
}

/** Answers whether the work came to its end; if it failed, fails with its error. */
async function runUntil(world: World, work: Promise<void>): Promise<boolean> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  done.catch(() => undefined);
  await world.scheduler.run(() => isDone);
  if (isDone) await done;
  return isDone;
}

async function runClients(world: World, isDone: () => boolean): Promise<void> {
  const { profile, scheduler } = world;
  for (let index = 0; index < profile.hostCount; index++) {
    const isOld = profile.hasOldProcess && index === profile.hostCount - 1;
    world.startBroker({ isOld, skewMs: index === 0 ? profile.skewMs : 0 });
  }
  const topicNames = Array.from({ length: profile.topicCount }, (_, index) => `topic-${index}`);
  const random = world.fork();
  for (const name of topicNames) await createTopic(world, name, 1 + random.below(3));
  scheduler.trace("the topics stand");
  startChaos(world, isDone);
  void runHousekeeper(world, topicNames, isDone);
  void runInspector(world, isDone);
  if (profile.workers !== undefined) runWorkers(world, profile.workers, isDone);
  for (let index = 0; index < profile.consumerCount; index++) {
    const topicName = topicNames[random.below(topicNames.length)] ?? "";
    const consumer = new Consumer(world, { name: `c${index}`, topicName, partitionIndex: random.below(2) });
    void consumer.run(isDone);
  }
  const works: Promise<void>[] = [];
  for (let index = 0; index < profile.producerCount; index++) {
    const options = {
      name: `w${index}`,
      topicName: topicNames[random.below(topicNames.length)] ?? "",
      partitionIndex: random.below(2),
      batchCount: profile.batchesPerProducer,
      inFlightMax: 1 + random.below(3),
    };
    works.push(random.chance(0.5) ? runPlainProducer(world, options) : runIdempotentProducer(world, options));
  }
  if (profile.adminOperations > 0) works.push(runAdministrator(world, topicNames));
  if (profile.hasOldProcess) works.push(runUpgrade(world));
  if (profile.hasLargeCommands) works.push(runLargeCommands(world));
  await Promise.all(works);
}

/** Reads everything through a process that begins now, with as many stores away as may be, and compares it with the truth. */
async function examineEnd(world: World): Promise<void> {
  const { history, truth, scheduler } = world;
  history.problems.push(...world.unended().map((what) => `checkProgress: ${what}`));
  for (const broker of world.brokers) {
    if (!broker.host.isDead && !broker.isStopped) history.problems.push(...checkFixpoint(broker, truth));
  }
  if (world.profile.replicas !== undefined) {
    history.problems.push(...checkSurvival(world), ...checkSettled(world), ...checkWhole(world));
    await runUntil(world, giveUp(world));
    takeAway(world);
  }
  if (world.profile.workers !== undefined) await runUntil(world, bringToRest(world, world.profile.workers));
  const before = new Set(world.brokers);
  world.startBroker();
  await scheduler.run(() => world.brokers.some((broker) => !before.has(broker)));
  const witness = world.brokers.find((broker) => !before.has(broker));
  if (witness === undefined) {
    history.problems.push("checkNoLostAck: no process can open the journals any more");
    return;
  }
  const isRead = await runUntil(world, readAll(world, witness));
  if (!isRead) history.problems.push("checkNoLostAck: the end cannot be read");
  history.problems.push(...checkFixpoint(witness, truth));
  if (witness.cluster.id !== CLUSTER_JOURNAL_ID) history.problems.push("the witness is blind");
}

async function readAll(world: World, witness: SimBroker): Promise<void> {
  const { history, truth, scheduler } = world;
  const connection = world.connect(witness, world.fork());
  for (const partition of truth.partitions.values()) {
    const { key, topicId, partitionIndex, batches, marks, droppedAtMs } = partition;
    const topic = truth.topics.get(topicId);
    if (droppedAtMs !== undefined || topic === undefined || topic.deletedAtMs !== undefined) continue;
    const named = { topicName: topic.name, topicId, partitionIndex };
    const { logStartOffset, logEndOffset } = marks.at(-1) ?? { logStartOffset: 0, logEndOffset: 0 };
    const latest = await connection.call(listOffset(named, "latest"), 300_000);
    if (latest.kind !== "answer" || latest.value.found.offset !== logEndOffset) {
      history.problems.push(`checkNoLostAck: in the end ${key} does not end at ${logEndOffset}`);
    }
    if (truth.workers !== undefined) await readEach(world, connection, partition, named);
    let at = logStartOffset;
    while (at < logEndOffset) {
      const startMs = scheduler.elapsedMs;
      const reply = await connection.call(fetch(named, at, { bytesMax: 1_000_000, waitMsMax: 0 }), 300_000);
      const fetched = reply.kind === "answer" ? reply.value.fetched : undefined;
      const seen = seenBatches(fetched?.records ?? []);
      const { isCompacted } = topic;
      if (fetched !== undefined && (isCompacted || !seen.some(({ name }) => name === NO_RECORDS))) {
        const { error, highWatermark } = fetched;
        const span = { startMs, endMs: scheduler.elapsedMs };
        const client = "the witness";
        history.fetches.push({
          client,
          topicId,
          partitionIndex,
          fetchOffset: at,
          error,
          highWatermark,
          batches: seen,
          ...span,
        });
      }
      for (const { name, baseOffset, nextOffset } of seen) {
        if (name === NO_RECORDS && isCompacted && truth.workers !== undefined) continue;
        if (name === NO_RECORDS && standsForLost(world, partition, baseOffset, nextOffset)) continue;
        const own = batches.find((batch) => batch.baseOffset === baseOffset);
        if (own?.name !== name || own.nextOffset !== nextOffset) {
          history.problems.push(`checkNoLostAck: in the end ${key} has ${name} at ${baseOffset}, not ${own?.name}`);
        }
      }
      const next = seen.at(-1)?.nextOffset;
      if (next === undefined || next <= at) {
        history.problems.push(`checkNoLostAck: in the end ${key} cannot be read at ${at}: error ${fetched?.error}`);
        break;
      }
      at = next;
    }
  }
}

/** Begins to read at each batch: in segments that takes the index. Whoever got something else is found in the history. */
async function readEach(
  { history, truth, scheduler }: World,
  connection: Connection,
  { key, topicId, partitionIndex, batches, marks }: TruePartition,
  named: Named,
): Promise<void> {
  const client = "the witness";
  const isCompacted = truth.topics.get(topicId)?.isCompacted === true;
  for (const { baseOffset: fetchOffset } of batches) {
    if (fetchOffset < (marks.at(-1)?.logStartOffset ?? 0)) continue;
    const startMs = scheduler.elapsedMs;
    const reply = await connection.call(fetch(named, fetchOffset, { bytesMax: 1, waitMsMax: 0 }), 300_000);
    const fetched = reply.kind === "answer" ? reply.value.fetched : undefined;
    const seen = seenBatches(fetched?.records ?? []);
    if (fetched === undefined || fetched.error !== ErrorCode.NONE || seen.length === 0) {
      history.problems.push(`checkNoMiss: in the end ${key} cannot be read from ${fetchOffset}: ${fetched?.error}`);
      continue;
    }
    if (!isCompacted && seen[0]?.baseOffset !== fetchOffset) {
      history.problems.push(`checkNoMiss: in the end ${key} has no batch at ${fetchOffset}`);
    }
    const { error, highWatermark } = fetched;
    const asked = { client, topicId, partitionIndex, fetchOffset };
    history.fetches.push({ ...asked, error, highWatermark, batches: seen, startMs, endMs: scheduler.elapsedMs });
  }
}
