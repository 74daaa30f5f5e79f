import { expect } from "vitest";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { examine } from "#lib/housekeeping/doctor/examine.ts";
import { type Finding, Findings, type Note } from "#lib/housekeeping/doctor/finding.ts";
import type { ObjectSource } from "#lib/housekeeping/doctor/ports.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { type LogSegment, partitionKey } from "#lib/log/log-state.ts";
import { logStateMachine, SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { entryInput, segmentInput, segmentKey } from "#lib/log/segments.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { patchBaseOffset } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { MARKER_KEY, segmentDirectory, writeAheadKey } from "#lib/storage/object-keys.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { encodeStoreMarker, newStoreMarker } from "#lib/storage/store-marker.ts";
import { sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { defined } from "#lib/util/assert.ts";
import { type JournalId, type ObjectKey, uuidFromBytes } from "#lib/util/branded.ts";
import { batchOf, flushIdOf, TOPIC } from "../../log/log-fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

export const NEVER = new AbortController().signal;
export const LANE = { lane: "test", signal: NEVER };
const BATCH = buildBatch([{ timestampMs: 1_000, key: null, value: Buffer.from("v") }], { partitionLeaderEpoch: 0 });

/** One partition over three stores; each flush is an object with the copies that `flush` is given. */
export async function replicated() {
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
  let attempts = 0;
  /** Puts one segment in the place of all that the partition holds. Its files lie in the stores of `copies`. */
  const compact = async (copies: readonly number[], entryCount?: number): Promise<LogSegment> => {
    const partition = defined(log.state.partitions.get(partitionKey(TOPIC, 0)));
    const { segments } = partition;
    const entries = partition.entries.slice(0, entryCount);
    const { baseOffset } = defined([...segments, ...entries][0]);
    const { nextOffset } = defined([...segments, ...entries].at(-1));
    const builder = new SegmentBuilder({ baseOffset, indexIntervalBytes: 1 });
    for (let offset = baseOffset; offset < nextOffset; offset++) {
      const batch = Uint8Array.from(BATCH);
      patchBaseOffset(batch, 0, offset);
      builder.add([batch]);
    }
    const { log: bytes, index, timeIndex, ...files } = builder.finish();
    const attemptId = (++attempts).toString(16).padStart(32, "0");
    const segment: LogSegment = {
      ...{ baseOffset, nextOffset, byteLength: files.logByteLength, maxTimestampMs: files.maxTimestampMs },
      ...{ indexByteLength: index.byteLength, timeIndexByteLength: timeIndex.byteLength, txnIndexByteLength: 0 },
      directory: segmentDirectory({ uploadEpoch: 1, attemptId, topic: "places", partitionIndex: 0 }),
      ...{ appendedAtMs: 1_000, isCleaned: false, copies },
    };
    for (const id of copies) {
      await stores.get(id)?.putIfAbsent(segmentKey(segment, "log"), bytes, NEVER);
      await stores.get(id)?.putIfAbsent(segmentKey(segment, "index"), [index], NEVER);
      await stores.get(id)?.putIfAbsent(segmentKey(segment, "timeindex"), [timeIndex], NEVER);
    }
    await log.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, NEVER);
    const inputs = [...segments.map(segmentInput), ...entries.map(entryInput)];
    const command = { kind: "replace", topicId: TOPIC, partitionIndex: 0, inputs, segments: [segment] } as const;
    expect((await log.propose(command, LANE)).outcome).toEqual({ kind: "done" });
    return segment;
  };
  /** `beforeGet` is called before each read of an object. */
  const examined = async (
    away: readonly number[] = [],
    beforeGet: (key: ObjectKey) => Promise<void> = async () => {},
  ) => {
    const found: Finding[] = [];
    const notes: Note[] = [];
    const findings = new Findings(
      (finding) => found.push(finding),
      (note) => notes.push(note),
    );
    const present = new Map(
      [...stores].flatMap(([id, store]) => {
        const get: ObjectSource["get"] = async (key, signal) => {
          await beforeGet(key);
          return await store.get(key, signal);
        };
        return away.includes(id) ? [] : [[id, { get, list: store.list.bind(store) }] as const];
      }),
    );
    const list = async () => [CLUSTER_JOURNAL_ID, logJournalId(0)];
    const journals = { list, read: journal.read.bind(journal) };
    await clock.run(examine({ journals, stores: present }, findings, NEVER));
    return { found, notes, tally: findings.tally, kinds: found.map(({ kind, where }) => `${kind} ${where}`) };
  };
  return { clock, services, log, flush, compact, examined };
}
