import { expect, test } from "vitest";
import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { HttpWorld } from "./http-world.ts";

/** A journal service whose appends to the log meet `fault` while it is set. */
class Faults implements JournalFaultPlan {
  fault: JournalFault | undefined;

  next({ method, journal }: { readonly method: string; readonly journal: string }): JournalFault | undefined {
    return method === "append" && journal.startsWith("log-") ? this.fault : undefined;
  }
}

async function startWorld() {
  const faults = new Faults();
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), faults, "broker-0");
  const append = { flushTimeoutMs: 300 };
  const world = await HttpWorld.start({ journal, append, settings: { requestMsMax: 1_000 } });
  await world.createTopic("t", 2);
  return { world, faults, journal };
}

const RECORDS = { records: [{ value: 1, partition: 0 }] };

test.each<JournalFault["kind"]>(["throttle", "failure"])(
  "while the journal answers with %s a produce is refused with a body, and then goes through",
  async (kind) => {
    const { world, faults } = await startWorld();
    await using _ = world;
    expect((await world.post("/topics/t", RECORDS)).status).toBe(200);
    faults.fault = kind === "throttle" ? { kind } : { kind: "failure" };
    const { status, body } = await world.post("/topics/t", RECORDS);
    expect([503, 504]).toContain(status);
    expect(Math.floor(body.error_code / 100)).toBe(status);
    faults.fault = undefined;
    await expect.poll(async () => (await world.post("/topics/t", RECORDS)).status).toBe(200);
  },
);

test("while no journal answers, nobody says that a topic is not there", async () => {
  const { world, journal } = await startWorld();
  await using _ = world;
  journal.kill();
  for (const path of ["/topics/unknown", "/v1/topics/unknown/partitions/0/records"]) {
    const { status, body } = await world.json(path);
    expect([path, status, Math.floor(body.error_code / 100)]).toEqual([path, 503, 503]);
  }
  // The list as far as it is known is more use than none.
  expect((await world.json("/topics")).body).toEqual(["t"]);
  const { status, body } = await world.post("/v1/producers", {});
  expect([503, 504]).toContain(status);
  expect(Math.floor(body.error_code / 100)).toBe(status);
});

test("while the journal does not answer, records of v3 are 503 or 504 each, and a stream goes through it", async () => {
  const { world, faults } = await startWorld();
  await using _ = world;
  const { clusterId } = world.broker.broker.services.identity;
  const path = `/v3/clusters/${clusterId}/topics/t/records`;
  const sent = new TransformStream<Uint8Array, Uint8Array>();
  const writer = sent.writable.getWriter();
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const init = { method: "POST", headers, body: sent.readable, duplex: "half" as const };
  const reader = (await world.request(path, init)).body?.getReader();
  const produce = async () => {
    void writer.write(Buffer.from('{"partition_id":0}'));
    return JSON.parse(Buffer.from((await reader?.read())?.value ?? []).toString()).error_code;
  };
  expect(await produce()).toBe(200);
  faults.fault = { kind: "failure" };
  expect([503, 504]).toContain(await produce());
  const { status, body } = await world.post(path, {});
  expect([503, 504]).toContain(status);
  expect(body.error_code).toBe(status);
  faults.fault = undefined;
  await expect.poll(produce).toBe(200);
  await writer.close();
});
