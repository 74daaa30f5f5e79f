import { expect, test } from "vitest";
import { ProducerExpirer } from "#lib/housekeeping/retention/producer-expirer.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { appendOf, LogWorld, NEVER, topicOf } from "../../log/append-harness.ts";

const MINUTE_MS = 60_000;

/** Producers expire after an hour, unless told otherwise. */
function started(expiryMs = 60 * MINUTE_MS) {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const expirer = new ProducerExpirer({
    journals: world.journals(undefined, 900),
    leads: () => true,
    cluster: { brokerInteger: (name) => (name === "producer.id.expiration.ms" ? expiryMs : Number.NaN) },
    clock: world.clock,
    logger: SILENT_LOGGER,
  });
  const run = (isForced = true) => world.run(expirer.runOnce({ isForced, signal: NEVER }));
  const append = async (producerId: number, baseSequence = 0) => {
    const producer = { producerId, producerEpoch: 0, baseSequence };
    const [answer] = await world.run(writer.append([appendOf(topic, 0, "x", producer)]));
    return answer;
  };
  const producers = async () => {
    const journal = await world.run(writer.journals.journal(0, NEVER));
    await world.run(journal.readBarrier(NEVER));
    return [...writer.partition(topic, 0).producers.keys()];
  };
  return { world, run, append, producers };
}

test("a producer that was idle for too long is forgotten, one that wrote meanwhile is not", async () => {
  const { world, run, append, producers } = started();
  await append(7);
  await world.clock.advance(50 * MINUTE_MS);
  await append(8);
  expect(await run()).toBe(0);
  await world.clock.advance(11 * MINUTE_MS);
  expect(await run()).toBe(1);
  expect(await producers()).toEqual([8]);
  // As new as one that was never heard of, as in Kafka.
  expect(await append(7, 5)).toMatchObject({ kind: "appended" });
});

test("none is forgotten that was seen shortly before the journal's latest append, whatever is set and however long it is quiet", async () => {
  const { world, run, append, producers } = started(1);
  await append(7);
  await world.clock.advance(14 * MINUTE_MS);
  await append(8);
  await world.clock.advance(600 * MINUTE_MS);
  expect(await run()).toBe(0);
  expect(await producers()).toEqual([7, 8]);
  await append(9);
  expect(await run()).toBe(1);
  expect(await run()).toBe(0);
  expect(await producers()).toEqual([9]);
});

test("it looks every ten minutes by schedule", async () => {
  const { world, run, append, producers } = started();
  await append(7);
  await world.clock.advance(55 * MINUTE_MS);
  await append(8);
  expect(await run(false)).toBe(0);
  await world.clock.advance(9 * MINUTE_MS);
  expect(await run(false)).toBe(0);
  await world.clock.advance(MINUTE_MS);
  expect(await run(false)).toBe(1);
  expect(await producers()).toEqual([8]);
});
