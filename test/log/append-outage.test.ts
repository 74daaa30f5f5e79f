import { describe, expect, test } from "vitest";
import type { StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import type { AppendSettings } from "#lib/log/append-path.ts";
import type { AppendAnswer } from "#lib/log/log-api.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { STORE_BACKGROUND_BYTES_MAX, STORE_SUSPECT_MS, UPLOAD_SLOT_MS_MAX } from "#lib/util/limits.ts";
import { appendOf, type LogProcess, LogWorld, NEVER, textsOf, topicOf } from "./append-harness.ts";

// What becomes of appends while stores fail, hang and come back.

const appended = [expect.objectContaining({ kind: "appended" })];
const refused = (error: ErrorCode) => [expect.objectContaining({ kind: "refused", error })];

/** Three stores, of which those in `faults` have one; topics want as many as their tests say. */
function newWorld(settings: Partial<AppendSettings> = {}) {
  const world = new LogWorld(3);
  const faults = new Map<number, StoreFault>();
  const process = world.process({
    settings: { inlineBytesMax: 0, ...settings },
    storeFaults: ({ store }) => faults.get(store),
  });
  return { world, faults, process };
}

function threefold(world: LogWorld, minInsyncReplicas = 2): TopicPlacement {
  return world.addTopic(topicOf(1, { replicationFactor: 3, minInsyncReplicas }));
}

async function alterIsr(process: LogProcess, topic: TopicPlacement, isr: readonly number[]): Promise<void> {
  const journal = await process.journals.journal(journalOfPartition(topic, 0), NEVER);
  await journal.readBarrier(NEVER);
  const command = { kind: "alter-isr", expectedIsrEpoch: journal.state.isrEpoch, isr } as const;
  await journal.propose(command, { lane: "isr", signal: NEVER });
}

/** How long the answer takes, by the clock of the test. */
async function timed(
  world: LogWorld,
  answer: Promise<readonly AppendAnswer[]>,
): Promise<readonly [number, readonly AppendAnswer[]]> {
  const beginMs = world.clock.monotonicMs();
  const answers = await world.run(answer);
  return [world.clock.monotonicMs() - beginMs, answers];
}

function objectCounts(world: LogWorld): readonly number[] {
  return world.storeServices.map((service) => service.objects.size);
}

describe("below min.insync.replicas", () => {
  test("acks=all is refused before anything is written, and acks=1 goes on", async () => {
    const { world, process } = newWorld();
    const topic = threefold(world);
    await world.run(process.append([appendOf(topic, 0, "a")]));
    await world.run(alterIsr(process, topic, [1]));
    await world.clock.advance(1_000);
    const before = objectCounts(world);
    const answers = await world.run(process.append([appendOf(topic, 0, "b")]));
    expect(answers).toEqual(refused(ErrorCode.NOT_ENOUGH_REPLICAS));
    expect(objectCounts(world)).toEqual(before);
    expect(await world.run(process.append([appendOf(topic, 0, "c")], { requireMinInsync: false }))).toEqual(appended);
    expect(textsOf(world, process, topic, 0)).toEqual(["a", "c"]);
  });

  test("inlined flushes are committed: they do not depend on stores", async () => {
    const { world, process, faults } = newWorld({ inlineBytesMax: 1_000 });
    const topic = threefold(world);
    await world.run(process.append([appendOf(topic, 0, "a")]));
    await world.run(alterIsr(process, topic, [1]));
    for (const store of [0, 1, 2]) faults.set(store, { kind: "hang" });
    expect(await timed(world, process.append([appendOf(topic, 0, "b")]))).toEqual([0, appended]);
  });

  test("who refuses by an old view of the ISR hears of the new one", async () => {
    const { world, process } = newWorld();
    const topic = threefold(world);
    const other = world.process({ settings: { inlineBytesMax: 0 } });
    await world.run(process.append([appendOf(topic, 0, "a")]));
    await world.run(alterIsr(process, topic, [1]));
    await world.run(other.append([appendOf(topic, 0, "b")], { requireMinInsync: false }));
    await world.run(alterIsr(process, topic, [0, 1, 2]));
    const refusal = await world.run(other.append([appendOf(topic, 0, "c")]));
    expect(refusal).toEqual(refused(ErrorCode.NOT_ENOUGH_REPLICAS));
    await world.clock.advance(100);
    expect(await world.run(other.append([appendOf(topic, 0, "c")]))).toEqual(appended);
  });
});

describe("with a store that does not answer", () => {
  test.each([
    ["acks=all", 2, true],
    ["acks=all and one replica in sync enough", 1, true],
    ["acks=1", 2, false],
  ])("%s needs two of three and does not wait", async (_, minInsyncReplicas, requireMinInsync) => {
    const { world, process, faults } = newWorld({ uploadsInFlightMax: 1 });
    const topic = threefold(world, minInsyncReplicas);
    await world.run(process.append([appendOf(topic, 0, "open")]));
    faults.set(1, { kind: "hang" });
    for (const text of ["a", "b", "c"]) {
      const [ms, answers] = await timed(world, process.append([appendOf(topic, 0, text)], { requireMinInsync }));
      expect([ms, answers]).toEqual([0, appended]);
    }
    expect(textsOf(world, process, topic, 0)).toEqual(["open", "a", "b", "c"]);
  });

  test("what needs it ends in a time-out, and what does not waits a second at most", async () => {
    const { world, process, faults } = newWorld({ uploadsInFlightMax: 1, flushTimeoutMs: 20_000 });
    const lone = world.addTopic(topicOf(1));
    // Partition 0 lives in store 0, partition 1 in store 1.
    await world.run(process.append([appendOf(lone, 0, "open"), appendOf(lone, 1, "open")]));
    faults.set(0, { kind: "hang" });
    const beginMs = world.clock.monotonicMs();
    const stuck = process.append([appendOf(lone, 0, "a")]);
    await world.clock.advance(1);
    const [ms, answers] = await timed(world, process.append([appendOf(lone, 1, "b")]));
    expect(answers).toEqual(appended);
    expect(ms).toBeLessThanOrEqual(UPLOAD_SLOT_MS_MAX);
    const again = await timed(world, process.append([appendOf(lone, 1, "c")]));
    expect(again).toEqual([0, appended]);
    expect(await world.run(stuck)).toEqual(refused(ErrorCode.REQUEST_TIMED_OUT));
    expect(world.clock.monotonicMs() - beginMs).toBe(20_000);
    faults.clear();
    await world.clock.advance(STORE_SUSPECT_MS);
    expect(await world.run(process.append([appendOf(lone, 0, "a")]))).toEqual(appended);
    expect(textsOf(world, process, lone, 0)).toEqual(["open", "a"]);
    expect(process.path.pendingBytes).toBe(0);
  });

  test("once it is suspect what needs it fails at once, but for one try a second", async () => {
    const { world, process, faults } = newWorld({ uploadsInFlightMax: 1 });
    const lone = world.addTopic(topicOf(1));
    await world.run(process.append([appendOf(lone, 0, "open")]));
    faults.set(0, { kind: "hang" });
    const stuck = process.append([appendOf(lone, 0, "a")]);
    await world.clock.advance(STORE_SUSPECT_MS + 500);
    expect(process.health.isSuspect(0)).toBe(true);
    const tried = process.append([appendOf(lone, 0, "b")]);
    await world.clock.advance(10);
    for (const text of ["c", "d"]) {
      const [ms, answers] = await timed(world, process.append([appendOf(lone, 0, text)]));
      expect([ms, answers]).toEqual([0, refused(ErrorCode.KAFKA_STORAGE_ERROR)]);
    }
    // A try has less time than a flush, so that the next one can begin.
    const [triedMs] = await timed(world, tried);
    expect(triedMs).toBeLessThan(10_000);
    faults.clear();
    await world.clock.advance(1_000);
    expect(await world.run(process.append([appendOf(lone, 0, "e")]))).toEqual(appended);
    expect(await world.run(stuck)).toEqual(refused(ErrorCode.REQUEST_TIMED_OUT));
    expect(textsOf(world, process, lone, 0)).toEqual(["open", "e"]);
  });

  test("a flush under way commits with what it has as soon as the ISR is without it", async () => {
    const { world, process, faults } = newWorld();
    const topic = world.addTopic(topicOf(1, { replicationFactor: 2 }));
    await world.run(process.append([appendOf(topic, 0, "open")]));
    faults.set(1, { kind: "hang" });
    const waiting = process.append([appendOf(topic, 0, "a")]);
    await world.clock.advance(6_000);
    expect(process.partition(topic, 0).logEndOffset).toBe(1);
    await world.run(alterIsr(process, topic, [0, 2]));
    expect(await timed(world, waiting)).toEqual([0, appended]);
    expect(process.partition(topic, 0).entries.at(-1)?.place).toMatchObject({ copies: [0] });
  });

  test("a flush under way that has too few copies then is refused at once", async () => {
    const { world, process, faults } = newWorld();
    const topic = threefold(world);
    await world.run(process.append([appendOf(topic, 0, "open")]));
    for (const store of [0, 2]) faults.set(store, { kind: "hang" });
    const waiting = process.append([appendOf(topic, 0, "a")]);
    await world.clock.advance(4_000);
    await world.run(alterIsr(process, topic, [1]));
    expect(await timed(world, waiting)).toEqual([0, refused(ErrorCode.NOT_ENOUGH_REPLICAS)]);
  });

  test("the memory of its uploads is bounded, and free again when it has had its time", async () => {
    const { world, process, faults } = newWorld({ flushBytesMax: 1024 * 1024 });
    const topic = threefold(world);
    await world.run(process.append([appendOf(topic, 0, "open")]));
    faults.set(2, { kind: "hang" });
    const append = appendOf(topic, 0, "x".repeat(1024 * 1024));
    const count = Math.ceil(STORE_BACKGROUND_BYTES_MAX / append.bytes.byteLength) + 8;
    for (let index = 0; index < count; index++) {
      expect(await world.run(process.append([append]))).toEqual(appended);
      expect(process.writer.backgroundBytes).toBeLessThanOrEqual(STORE_BACKGROUND_BYTES_MAX);
    }
    expect(process.writer.backgroundBytes).toBeGreaterThan(STORE_BACKGROUND_BYTES_MAX / 2);
    await world.clock.advance(60_000);
    expect([process.writer.backgroundBytes, process.path.pendingBytes]).toEqual([0, 0]);
    expect(defined(world.storeServices[2]).objects.size).toBe(1);
  });
});

describe("with stores that refuse", () => {
  test("two of three: the leader's own copy is enough when the ISR is without them, if one in sync is", async () => {
    const { world, process } = newWorld();
    const topic = threefold(world, 1);
    await world.run(process.append([appendOf(topic, 0, "open")]));
    for (const store of [1, 2]) defined(world.storeServices[store]).isDown = true;
    const before = await world.run(process.append([appendOf(topic, 0, "a")]));
    expect(before).toEqual(refused(ErrorCode.KAFKA_STORAGE_ERROR));
    await world.run(alterIsr(process, topic, [0]));
    expect(await world.run(process.append([appendOf(topic, 0, "a")]))).toEqual(appended);
    expect(textsOf(world, process, topic, 0)).toEqual(["open", "a"]);
  });

  test("a store that comes back is written to again within about a second", async () => {
    const { world, process } = newWorld();
    const topic = threefold(world);
    const back = defined(world.storeServices[1]);
    back.isDown = true;
    for (const text of ["a", "b", "c", "d"]) await world.run(process.append([appendOf(topic, 0, text)]));
    await world.clock.advance(1_000);
    expect([process.health.isSuspect(1), back.objects.size]).toEqual([true, 0]);
    back.isDown = false;
    await world.clock.advance(1_000);
    for (const text of ["e", "f"]) {
      await world.run(process.append([appendOf(topic, 0, text)]));
      await world.clock.advance(100);
    }
    expect([process.health.isSuspect(1), back.objects.size]).toEqual([false, 2]);
  });
});
