import { expect, test } from "vitest";
import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { HttpWorld } from "./http-world.ts";

/** Two processes of one deployment. The first knows a topic that the second has made anew since then. */
async function afterRecreation() {
  const clock = new SystemClock();
  const journals = new MemoryJournalService(clock);
  const objects = new MemoryObjectService(clock);
  const start = (brokerId: number) =>
    HttpWorld.start({
      brokerId,
      journal: new MemoryJournal(journals, NO_JOURNAL_FAULTS, `broker-${brokerId}`),
      store: new MemoryObjectStore(objects, { clock }),
    });
  const old = await start(0);
  await old.createTopic("clicks");
  const records = { records: [{ value: "first life" }] };
  expect((await old.post("/topics/clicks", records)).status).toBe(200);
  const other = await start(1);
  const { cluster_id: cluster } = (await other.json("/v3/clusters")).body.data[0];
  expect((await other.request(`/v3/clusters/${cluster}/topics/clicks`, { method: "DELETE" })).status).toBe(204);
  await other.createTopic("clicks");
  return {
    old,
    other,
    async [Symbol.asyncDispose]() {
      await Promise.all([old[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
    },
  };
}

test("a produce to a topic that was made anew elsewhere is written, for there is such a topic", async () => {
  await using worlds = await afterRecreation();
  const produced = await worlds.old.post("/topics/clicks", { records: [{ value: "second life" }] });
  expect(produced).toMatchObject({ status: 200, body: { offsets: [{ partition: 0, offset: 0 }] } });
  expect(produced.body.offsets[0].error_code).toBeFalsy();
});

test("a fetch from a topic that was made anew elsewhere reads the new one", async () => {
  await using worlds = await afterRecreation();
  await worlds.other.post("/topics/clicks", { records: [{ value: "second life" }] });
  const path = "/v1/topics/clicks/partitions/0/records";
  const fetched = await worlds.old.json(`${path}?offset=1`);
  expect(fetched).toMatchObject({ status: 200, body: { high_watermark: 1, records: [] } });
});

test("the ends of a topic that was made anew elsewhere are those of the new one", async () => {
  await using worlds = await afterRecreation();
  const fetched = await worlds.old.json("/v1/topics/clicks/partitions/0/records?offset=latest");
  expect(fetched).toMatchObject({ status: 200, body: { next_offset: 0, records: [] } });
});

test("a partition that was added elsewhere is written to, for there is such a partition", async () => {
  await using worlds = await afterRecreation();
  const { other } = worlds;
  await other.createTopic("grown");
  const old = worlds.old;
  expect((await old.post("/topics/grown", { records: [{ value: 0 }] })).status).toBe(200);
  const { cluster_id: cluster } = (await other.json("/v3/clusters")).body.data[0];
  const grown = await other.json(`/v3/clusters/${cluster}/topics/grown`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: '{"partitions_count":3}',
  });
  expect(grown.status).toBe(200);
  const produced = await old.post("/topics/grown", { records: [{ value: 1, partition: 2 }] });
  expect(produced).toMatchObject({ status: 200, body: { offsets: [{ partition: 2, offset: 0 }] } });
});

test("what was altered elsewhere is shown, and what was deleted there is not", async () => {
  await using worlds = await afterRecreation();
  const { old, other } = worlds;
  const { cluster_id: cluster } = (await other.json("/v3/clusters")).body.data[0];
  const path = `/v3/clusters/${cluster}/topics/clicks`;
  const alter = async (method: string, at: string, body: string) => {
    const init = { method, headers: { "content-type": "application/json" }, body };
    expect((await other.json(`${path}${at}`, init)).status).toBeLessThan(300);
  };
  expect((await old.json(path)).body.partitions_count).toBe(1);
  await alter("PATCH", "", '{"partitions_count":3}');
  expect((await old.json(path)).body.partitions_count).toBe(3);
  await alter("PATCH", "", '{"partitions_count":4}');
  expect((await old.json(`${path}/partitions`)).body.data).toHaveLength(4);
  await alter("PUT", "/configs/retention.ms", '{"value":"1000"}');
  expect((await old.json(`${path}/configs/retention.ms`)).body.value).toBe("1000");
  await alter("PUT", "/configs/retention.ms", '{"value":"2000"}');
  expect((await old.json("/topics/clicks")).body.configs["retention.ms"]).toBe("2000");
  expect((await other.request(path, { method: "DELETE" })).status).toBe(204);
  expect((await old.json(`${path}/configs`)).status).toBe(404);
});
