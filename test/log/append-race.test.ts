import { expect, test } from "vitest";
import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { StoreFaultPlan } from "#lib/adapters/memory/memory-object-store.ts";
import type { AppendAnswer } from "#lib/log/log-api.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { appendOf, type LogProcess, LogWorld, NEVER, textsOf, topicOf } from "./append-harness.ts";

// Several processes append to the same partitions of the same journals, with faults everywhere. Whatever happens:
// offsets have no gap, what was acknowledged is there once and at its offset, and each writer's order is kept.

function journalFaults(random: SeededRandom): JournalFaultPlan {
  return {
    next(call): JournalFault | undefined {
      if (!random.chance(0.15)) return random.chance(0.5) ? { kind: "slow", ms: random.below(20) } : undefined;
      const faults: readonly JournalFault[] = [
        { kind: "failure" },
        { kind: "throttle" },
        { kind: "lost-answer" },
        call.method === "append" ? { kind: "late-effect", afterMs: random.below(50) } : { kind: "failure" },
      ];
      return faults[random.below(faults.length)];
    },
  };
}

function storeFaults(random: SeededRandom): StoreFaultPlan {
  return () => {
    if (random.chance(0.04)) return { kind: "full" };
    if (random.chance(0.1)) return random.chance(0.5) ? { kind: "lost-answer" } : { kind: "unavailable" };
    return { kind: "slow", delayMs: random.below(40) };
  };
}

const PARTITIONS = 3;
const BATCHES_EACH = 40;

interface Sent {
  readonly partitionIndex: number;
  readonly text: string;
  readonly answer: AppendAnswer;
}

/** Sends batches without waiting for the answers of those before. */
async function send(
  world: LogWorld,
  process: LogProcess,
  topic: TopicPlacement,
  name: string,
): Promise<readonly Sent[]> {
  const random = new SeededRandom(name.charCodeAt(0));
  const sent: Promise<Sent>[] = [];
  for (let count = 0; count < BATCHES_EACH; count++) {
    const partitionIndex = random.below(PARTITIONS);
    const text = `${name}${String(count).padStart(3, "0")}`;
    const work = process.append([appendOf(topic, partitionIndex, text)]);
    sent.push(work.then(([answer]) => ({ partitionIndex, text, answer: answer ?? expect.fail("no answer") })));
    await world.clock.sleep(random.below(12));
  }
  return Promise.all(sent);
}

test.each([1, 2, 3, 4, 5, 6])("writers that race lose nothing and double nothing (seed %i)", async (seed) => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1, { partitionCount: PARTITIONS }));
  const random = new SeededRandom(seed);
  const names = ["a", "b", "c"];
  const writers = names.map((name, index) => {
    const process = world.process({
      // One inlines, one uploads, one does whatever fits.
      settings: { inlineBytesMax: [100_000, 0, 300][index] ?? 0, uploadsInFlightMax: 3, flushBatchesMax: 5 },
      journalFaults: journalFaults(random.fork()),
      storeFaults: storeFaults(random.fork()),
    });
    return send(world, process, topic, name);
  });
  const sent = (await world.run(Promise.all(writers))).flat();
  await world.clock.advance(1_000);
  const reader = world.process();
  await world.run(reader.journals.openAll(NEVER));
  for (let partitionIndex = 0; partitionIndex < PARTITIONS; partitionIndex++) {
    const texts = textsOf(world, reader, topic, partitionIndex);
    expect(new Set(texts).size).toBe(texts.length);
    expect(reader.partition(topic, partitionIndex).logEndOffset).toBe(texts.length);
    for (const name of names) {
      const own = texts.filter((text) => text.startsWith(name));
      expect(own).toEqual(own.toSorted());
    }
    const acknowledged = sent.filter((one) => one.partitionIndex === partitionIndex && one.answer.kind === "appended");
    for (const { text, answer } of acknowledged) {
      expect(answer.kind === "appended" && texts[answer.baseOffset]).toBe(text);
    }
  }
  const refusals = sent.flatMap(({ answer }) => (answer.kind === "refused" ? [answer.error] : []));
  expect(sent.length - refusals.length).toBeGreaterThan(sent.length / 2);
  const allowed: ErrorCode[] = [ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.REQUEST_TIMED_OUT];
  expect(refusals.filter((error) => !allowed.includes(error))).toEqual([]);
});

const PASSING: readonly ErrorCode[] = [
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.REQUEST_TIMED_OUT,
  // From a broker where an earlier batch failed, until it hears that the other one has committed that batch.
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
];

test.each([11, 12, 13])("an idempotent producer that tries again gets every batch in once (seed %i)", async (seed) => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const random = new SeededRandom(seed);
  // The client moves between two brokers, as after a failover.
  const brokers = [0, 1].map(() =>
    world.process({
      settings: { inlineBytesMax: 0, flushTimeoutMs: 400 },
      journalFaults: journalFaults(random.fork()),
      storeFaults: storeFaults(random.fork()),
    }),
  );
  const texts = Array.from({ length: 30 }, (_, count) => `t${count}`);
  await world.run(
    (async () => {
      for (const [baseSequence, text] of texts.entries()) {
        const append = appendOf(topic, 0, text, { producerId: 5, producerEpoch: 0, baseSequence });
        for (;;) {
          const [answer] = (await brokers[random.below(2)]?.append([append])) ?? [];
          if (answer === undefined) expect.fail("no answer");
          if (answer.kind !== "refused") {
            expect(answer.baseOffset).toBe(baseSequence);
            break;
          }
          expect(PASSING).toContain(answer.error);
        }
      }
    })(),
  );
  const reader = world.process();
  await world.run(reader.journals.openAll(NEVER));
  expect(textsOf(world, reader, topic, 0)).toEqual(texts);
});
