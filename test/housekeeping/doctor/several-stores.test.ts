import { expect, test } from "vitest";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { examine } from "#lib/housekeeping/doctor/examine.ts";
import { type Finding, Findings } from "#lib/housekeeping/doctor/finding.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { MARKER_KEY, writeAheadKey } from "#lib/storage/object-keys.ts";
import { encodeStoreMarker, newStoreMarker } from "#lib/storage/store-marker.ts";
import { sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { defined } from "#lib/util/assert.ts";
import { type JournalId, type ObjectKey, uuidFromBytes } from "#lib/util/branded.ts";
import { batchOf, flushIdOf, TOPIC } from "../../log/log-fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const NEVER = new AbortController().signal;
const LANE = { lane: "test", signal: NEVER };
const BATCH = buildBatch([{ timestampMs: 1_000, key: null, value: Buffer.from("v") }], { partitionLeaderEpoch: 0 });

/** One partition over three stores; each flush is an object with the copies that `flush` is given. */
async function replicated() {
  const clock = new ManualClock();
  const random = new SeededRandom(1);
  const journal = new MemoryJournalService(clock).connect();
  const services = [0, 1, 2].map(() => new MemoryObjectService(clock));
  const stores = new Map(services.map((service, id) => [id, new MemoryObjectStore(service, { clock })]));
  const open = async <S, C, O>(id: JournalId, machine: StateMachine<S, C, O>) => {
    const objects = new MemoryJournalObjects();
    const state = new ReplicatedState({ id, machine, journal, objects, clock, random, logger: SILENT_LOGGER });
    await state.open(NEVER);
    return state;
  };
  const cluster = await open(CLUSTER_JOURNAL_ID, clusterStateMachine);
  for (const [storeId, store] of stores) {
    const marker = newStoreMarker(storeId, random.bytes(16));
    await store.putIfAbsent(MARKER_KEY, [encodeStoreMarker(marker)], NEVER);
    const identity = uuidFromBytes(Buffer.from(marker.identity, "hex"));
    await cluster.propose({ kind: "register-store", storeId, identity, url: `memory:${storeId}` }, LANE);
  }
  const shape = { partitionCount: 1, replicationFactor: 3, journalCount: 1, configs: [] };
  await cluster.propose({ kind: "create-topic", topicId: TOPIC, name: "places", ...shape }, LANE);
  const log = await open(logJournalId(0), logStateMachine);
  const settings = { replicationFactor: 3, minInsyncReplicas: 1, clusterSeq: cluster.seq };
  await log.propose({ kind: "place-replicas", replicas: [0, 1, 2] }, LANE);
  await log.propose({ kind: "alter-isr", expectedIsrEpoch: 0, isr: [0] }, LANE);
  await log.propose({ kind: "open", topicId: TOPIC, partitionIndexes: [0], ...settings }, LANE);

  let flushes = 0;
  const flush = async (copies: readonly number[]): Promise<ObjectKey> => {
    const flushId = flushIdOf(++flushes);
    const sealed = sealWriteAheadSegment({ flushId, parts: [{ topicId: TOPIC, partitionIndex: 0, batches: [BATCH] }] });
    const key = writeAheadKey({ uploadEpoch: 1, writerId: "00112233445566aa", flushId });
    for (const id of copies) await stores.get(id)?.putIfAbsent(key, sealed.chunks, NEVER);
    const batches = [batchOf({ byteLength: BATCH.byteLength })];
    const parts = [{ topicId: TOPIC, partitionIndex: 0, position: defined(sealed.positions[0]), batches }];
    const source = { kind: "object", key, byteLength: sealed.byteLength, copies } as const;
    const command: LogCommand = { kind: "append", flushId, source, parts };
    await log.propose(command, LANE);
    return key;
  };
  const examined = async (away: readonly number[] = []) => {
    const found: Finding[] = [];
    const findings = new Findings((finding) => found.push(finding));
    const present = new Map([...stores].filter(([id]) => !away.includes(id)));
    const list = async () => [CLUSTER_JOURNAL_ID, logJournalId(0)];
    const journals = { list, read: journal.read.bind(journal) };
    await clock.run(examine({ journals, stores: present }, findings, NEVER));
    return { found, kinds: found.map(({ kind, where }) => `${kind} ${where}`) };
  };
  return { clock, services, log, flush, examined };
}

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
