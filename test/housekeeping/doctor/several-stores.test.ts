import { expect, test } from "vitest";
import { defined } from "#lib/util/assert.ts";
import { TOPIC } from "../../log/log-fixtures.ts";
import { LANE, replicated } from "./replicated-world.ts";

test("a store that is away is one finding, with what only it is said to have", async () => {
  const { flush, examined } = await replicated();
  await flush([0, 1, 2]);
  await flush([2]);
  expect((await examined()).found).toEqual([]);
  const { found } = await examined([2]);
  expect(found.map(({ kind, where }) => `${kind} ${where}`)).toEqual(["store-away store 2"]);
  expect(found[0]?.what).toContain("2 needed objects have copies there, 1 of them nowhere else");
});

test("a store that does not answer is away", async () => {
  const { flush, examined, services } = await replicated();
  await flush([0, 1]);
  defined(services[1]).isDown = true;
  const { kinds, found } = await examined();
  expect(kinds).toEqual(["store-away store 1"]);
  expect(found[0]?.what).toContain("1 needed objects have copies there, 0 of them nowhere else");
});

test("a copy that is missing where others have it is told with where it is", async () => {
  const { flush, examined, services } = await replicated();
  const key = await flush([0, 1]);
  defined(services[0]).delete(key);
  const { kinds, found } = await examined();
  expect(kinds).toEqual([`object-missing store 0 object ${key}`]);
  expect(found[0]?.remedy).toContain("store 1 has it");
});

test("a store that got its copy after the commit counts", async () => {
  const { flush, examined, services } = await replicated();
  const key = await flush([0]);
  const stored = defined(services[0]?.objects.get(key));
  defined(services[2]).put(key, stored.bytes);
  defined(services[0]).delete(key);
  const { found } = await examined();
  expect(found[0]?.remedy).toContain("store 2 has it");
  const { found: without } = await examined([2]);
  expect(without.map(({ kind }) => kind).sort()).toEqual(["object-missing", "store-away"]);
});

test("what is missing where it ought to be, and may be in a store that is away, is not called lost", async () => {
  const { flush, examined, services } = await replicated();
  const key = await flush([0, 1]);
  defined(services[0]).delete(key);
  const { found } = await examined([1]);
  expect(found.map(({ kind }) => kind).sort()).toEqual(["object-missing", "store-away"]);
  expect(found.find(({ kind }) => kind === "object-missing")?.remedy).toMatch(/may be in what is away \(store 1\)/);
});

test("what is declared lost, or damaged and not needed any more, is no finding", async () => {
  const { flush, examined, services, log } = await replicated();
  const [gone, damaged] = [await flush([0]), await flush([0])];
  await flush([0, 1, 2]);
  defined(services[0]).delete(gone);
  defined(services[0]).damage(damaged, 40);
  expect((await examined()).found.map(({ kind }) => kind)).toEqual(["object-missing", "object-damaged"]);
  for (const key of [gone, damaged]) {
    await log.propose({ kind: "declare-lost", topicId: TOPIC, partitionIndex: 0, key }, LANE);
  }
  expect((await examined()).found).toEqual([]);
});
