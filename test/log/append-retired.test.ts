import { describe, expect, test } from "vitest";
import type { StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import type { AppendAnswer } from "#lib/log/log-api.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { uploadEpochOf } from "#lib/storage/object-keys.ts";
import { appendOf, LogWorld, NEVER, textsOf, topicOf } from "./append-harness.ts";

// A flush that takes so long that its upload epoch is retired under it: the object may be deleted at any time.

const HOUR_MS = 3_600_000;
/** Flushes of a batch with a text of this length are objects, shorter ones travel in the record. */
const INLINE_BYTES_MAX = 100;
const LONG = "x".repeat(50);
const STORAGE_ERROR = `refused ${ErrorCode.KAFKA_STORAGE_ERROR}`;
const HELD_BACK = `refused ${ErrorCode.NOT_LEADER_OR_FOLLOWER}`;

function resultOf([answer]: readonly AppendAnswer[]): string {
  if (answer === undefined) return "nothing";
  return answer.kind === "refused" ? `refused ${answer.error}` : answer.kind;
}

/** A topic that is open; uploads of `process` take a second. `retire` has another process retire the present hour. */
async function started() {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const storeFaults = (): StoreFault => ({ kind: "slow", delayMs: 1_000 });
  const process = world.process({ settings: { inlineBytesMax: INLINE_BYTES_MAX }, storeFaults });
  await world.run(process.append([appendOf(topic, 0, "open")]));
  const others = world.journals(undefined, 900);
  const hour = () => Math.floor(world.clock.nowMs() / HOUR_MS);
  const retire = async () => {
    const journal = await others.journal(0, NEVER);
    await journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, NEVER);
    await journal.propose({ kind: "retire", floor: hour() }, { lane: "test", signal: NEVER });
  };
  const pipeline = async (appends: readonly ReturnType<typeof appendOf>[]) => {
    const answers: Promise<string>[] = [];
    for (const append of appends) {
      answers.push(process.append([append]).then(resultOf));
      for (let turn = 0; turn < 3; turn++) await world.clock.endOfTurn();
    }
    return answers;
  };
  return { world, topic, process, hour, retire, pipeline };
}

function nth(topic: TopicPlacement, sequence: number, text: string) {
  return appendOf(topic, 0, text, { producerId: 5, producerEpoch: 0, baseSequence: sequence });
}

test("is refused, to be sent again, and comes above the floor then", async () => {
  const { world, topic, process, hour, retire } = await started();
  const answer = process.append([appendOf(topic, 0, LONG)]).then(resultOf);
  world.clock.schedule(500, () => void retire());
  expect(await world.run(answer)).toBe(STORAGE_ERROR);
  expect(textsOf(world, process, topic, 0)).toEqual(["open"]);
  expect(await world.run(process.append([appendOf(topic, 0, LONG)]).then(resultOf))).toBe("appended");
  const place = process.partition(topic, 0).entries.at(-1)?.place;
  expect(place?.kind === "object" && uploadEpochOf(place.key)).toBe(hour() + 1);
});

describe("of an idempotent producer", () => {
  test("holds back what comes behind it in a record, and all come in order when they are sent again", async () => {
    const { world, topic, process, retire, pipeline } = await started();
    expect(await world.run(Promise.all(await pipeline([nth(topic, 0, "first")])))).toEqual(["appended"]);
    const batches = [nth(topic, 1, LONG), nth(topic, 2, "short"), nth(topic, 3, LONG)];
    const answers = await pipeline(batches);
    world.clock.schedule(500, () => void retire());
    const [first, second, third] = await world.run(Promise.all(answers));
    expect([first, second]).toEqual([STORAGE_ERROR, HELD_BACK]);
    expect([STORAGE_ERROR, HELD_BACK]).toContain(third);
    expect(textsOf(world, process, topic, 0)).toEqual(["open", "first"]);
    expect(await world.run(Promise.all(await pipeline(batches)))).toEqual(["appended", "appended", "appended"]);
    expect(textsOf(world, process, topic, 0)).toEqual(["open", "first", LONG, "short", LONG]);
  });

  test("that is all of one upload epoch is refused as a whole, be it the producer's first", async () => {
    const { world, topic, process, retire, pipeline } = await started();
    const batches = [nth(topic, 0, LONG), nth(topic, 1, LONG)];
    const answers = await pipeline(batches);
    world.clock.schedule(500, () => void retire());
    const [first, second] = await world.run(Promise.all(answers));
    expect(first).toBe(STORAGE_ERROR);
    expect([STORAGE_ERROR, HELD_BACK]).toContain(second);
    expect(await world.run(Promise.all(await pipeline(batches)))).toEqual(["appended", "appended"]);
    expect(textsOf(world, process, topic, 0)).toEqual(["open", LONG, LONG]);
  });
});
