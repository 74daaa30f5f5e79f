import { expect, test } from "vitest";
import { logJournalId, newLogJournals } from "#lib/log/log-journals.ts";
import { initialLogState } from "#lib/log/log-state-machine.ts";
import { appendOf, LogWorld, NEVER, topicOf } from "./append-harness.ts";

test("a journal is opened once for all who ask", async () => {
  const world = new LogWorld();
  const { journals } = world.process();
  expect(journals.opened(1)).toBeUndefined();
  const [first, second] = await world.run(Promise.all([journals.journal(1, NEVER), journals.journal(1, NEVER)]));
  expect(second).toBe(first);
  expect(first?.id).toBe(logJournalId(1));
  expect(journals.opened(1)).toBe(first);
  expect(await world.run(journals.openAll(NEVER))).toHaveLength(2);
});

test("who gives up does not spoil the opening for others", async () => {
  const world = new LogWorld();
  const { journals } = world.process({ journalFaults: { next: () => ({ kind: "slow", ms: 50 }) } });
  const impatient = new AbortController();
  const given = journals.journal(0, impatient.signal);
  const other = journals.journal(0, NEVER);
  impatient.abort(new Error("enough"));
  await expect(given).rejects.toThrow("enough");
  expect((await world.run(other)).id).toBe("log-0");
});

test("a failed opening is begun again by whoever asks next", async () => {
  const world = new LogWorld();
  let isDown = true;
  const { journals } = world.process({ journalFaults: { next: () => (isDown ? { kind: "failure" } : undefined) } });
  await expect(world.run(journals.journal(0, NEVER))).rejects.toThrow();
  isDown = false;
  expect((await world.run(journals.journal(0, NEVER))).id).toBe("log-0");
});

test("there is no journal beyond the count", async () => {
  const { journals } = new LogWorld().process();
  expect(() => journals.journal(2, NEVER)).toThrow(/no log journal 2/);
});

test("listeners hear the folds of every journal, opened or yet to be, until they stop", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const { journals } = world.process();
  const first = await world.run(journals.journal(0, NEVER));
  const heard: string[] = [];
  const stop = journals.onFold((journal, command, outcome) => {
    heard.push(`${journal.id} ${command.kind} ${outcome.kind}`);
  });
  const second = await world.run(journals.journal(1, NEVER));
  await world.run(writer.append([appendOf(topic, 1, "b")]));
  await world.run(second.catchUp(NEVER));
  expect(heard).toEqual(["log-1 place-replicas done", "log-1 open done", "log-1 append appended"]);
  stop();
  await world.run(writer.append([appendOf(topic, 0, "a")]));
  await world.run(first.catchUp(NEVER));
  expect(first.seq).toBeGreaterThan(0);
  expect(heard).toHaveLength(3);
});

test("listeners hear of a reload", async () => {
  let reload = () => {};
  const state = initialLogState();
  const reloaded: string[] = [];
  const world = new LogWorld();
  const real = await world.run(world.process().journals.journal(0, NEVER));
  const journals = newLogJournals({
    count: 1,
    create: (id) => ({
      id,
      state,
      seq: 0,
      asOfMs: 0,
      open: async () => {},
      reserve: (lane) => real.reserve(lane),
      propose: (command, options) => real.propose(command, options),
      catchUp: async () => {},
      readBarrier: async () => {},
      onFold: (listener) => real.onFold(listener),
      onReload: (listener) => {
        reload = listener;
        return () => {};
      },
      raiseFeatureLevel: async () => {},
      nowMs: () => 0,
    }),
    signal: NEVER,
  });
  const stop = journals.onReload((journal) => reloaded.push(journal.id));
  await journals.journal(0, NEVER);
  reload();
  stop();
  reload();
  expect(reloaded).toEqual(["log-0"]);
});
