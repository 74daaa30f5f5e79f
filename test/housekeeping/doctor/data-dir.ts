import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import type { AppendPart, LogCommand } from "#lib/log/log-command.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoredJournalObjects } from "#lib/storage/journal-objects.ts";
import { writeAheadKey } from "#lib/storage/object-keys.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { newStoreMarker } from "#lib/storage/store-marker.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { type JournalId, uuidFromBytes } from "#lib/util/branded.ts";
import { SNAPSHOT_RECORDS_MIN } from "#lib/util/limits.ts";
import { flushIdOf, TOPIC } from "../../log/log-fixtures.ts";

const NEVER = new AbortController().signal;

/** What the tests damage. */
export interface DataDir {
  /** The path below `store-0` of the object that two journals share. */
  readonly objectKey: string;
  /** The path below `store-0` of the snapshot of log-0. */
  readonly snapshotKey: string;
}

function batch(text: string, baseSequence: number): Uint8Array {
  const producer = { producerId: 7, producerEpoch: 0, baseSequence };
  const records = [{ timestampMs: 1_000, key: null, value: Buffer.from(text) }];
  return buildBatch(records, { producer, partitionLeaderEpoch: 0 });
}

function partOf(partitionIndex: number, position: number, bytes: Uint8Array): AppendPart {
  const header = readBatchHeader(bytes);
  const facts = { byteLength: bytes.byteLength, offsetCount: header.recordCount, maxTimestampMs: header.maxTimestamp };
  const { producerId, producerEpoch, baseSequence } = header;
  const producer = { producerId, producerEpoch, baseSequence, isTransactional: false, requireMinInsync: true };
  return { topicId: TOPIC, partitionIndex, position, batches: [{ ...facts, ...producer }] };
}

/**
 * A data directory as a broker leaves it: one topic with two partitions in log-0 and log-1, enough inlined flushes for a
 * snapshot of log-0, then an object that both journals name, and an orphan.
 */
export async function writeDataDir(dataDir: string): Promise<DataDir> {
  mkdirSync(dataDir, { recursive: true });
  const [clock, random, logger] = [new SystemClock(), new SystemRandom(), SILENT_LOGGER];
  await using journal = await SqliteJournal.open({ path: join(dataDir, "journal.sqlite"), clock });
  const marker = newStoreMarker(0, random.bytes(16));
  await using store = await DirectoryObjectStore.create(
    { root: join(dataDir, "store-0"), random, logger, owner: "test" },
    marker,
  );
  const stores = new StoreSet(new Map([[0, store]]));
  const writer = new ReplicatedWriter({ stores, clock, random, logger });
  const placement = () => ({ stores: [0], needed: 1 });
  const objects = new StoredJournalObjects({ stores, writer, clock, random, logger, placement, uploadEpoch: () => 1 });
  const open = async <S, C, O>(id: JournalId, machine: StateMachine<S, C, O>) => {
    const state = new ReplicatedState({ id, machine, journal, objects, clock, random, logger });
    await state.open(NEVER);
    return state;
  };
  const lane = { lane: "test", signal: NEVER };

  const cluster = await open(CLUSTER_JOURNAL_ID, clusterStateMachine);
  const identity = uuidFromBytes(Buffer.from(marker.identity, "hex"));
  await cluster.propose({ kind: "register-store", storeId: 0, identity, url: "file:///store-0" }, lane);
  const shape = { partitionCount: 2, replicationFactor: 1, journalCount: 2, configs: [] };
  await cluster.propose({ kind: "create-topic", topicId: TOPIC, name: "places", ...shape }, lane);

  const logs = [await open(logJournalId(0), logStateMachine), await open(logJournalId(1), logStateMachine)];
  for (const [index, log] of logs.entries()) {
    const settings = { replicationFactor: 1, minInsyncReplicas: 1, clusterSeq: cluster.seq };
    await log.propose({ kind: "place-replicas", replicas: [0] }, lane);
    await log.propose({ kind: "open", topicId: TOPIC, partitionIndexes: [index], ...settings }, lane);
  }
  for (let n = 0; n <= SNAPSHOT_RECORDS_MIN; n++) {
    const bytes = batch(`inlined record number ${n}`, n);
    await logs[0]?.propose(
      { kind: "append", flushId: flushIdOf(n), source: { kind: "inline", bytes }, parts: [partOf(0, 0, bytes)] },
      lane,
    );
  }
  await logs[0]?.takeSnapshot(NEVER);

  const flushId = flushIdOf(5_000);
  const batches = [batch("in the object, first", SNAPSHOT_RECORDS_MIN + 1), batch("in the object, second", 0)];
  const sealed = sealWriteAheadSegment({
    flushId,
    parts: batches.map((bytes, partitionIndex) => ({ topicId: TOPIC, partitionIndex, batches: [bytes] })),
  });
  const key = writeAheadKey({ uploadEpoch: 1, writerId: "00112233445566aa", flushId });
  await store.putIfAbsent(key, sealed.chunks, NEVER);
  for (const [index, log] of logs.entries()) {
    const bytes = batches[index] ?? new Uint8Array(0);
    const source = { kind: "object", key, byteLength: sealed.byteLength, copies: [0] } as const;
    const parts = [partOf(index, sealed.positions[index] ?? 0, bytes)];
    const command: LogCommand = { kind: "append", flushId, source, parts };
    await log.propose(command, lane);
  }
  const orphan = writeAheadKey({ uploadEpoch: 1, writerId: "00112233445566aa", flushId: flushIdOf(6_000) });
  await store.putIfAbsent(orphan, [Buffer.from("no record names this")], NEVER);
  const listing = await store.list({ prefix: "journals/", startAfter: "", limit: 10 }, NEVER);
  for (const state of [cluster, ...logs]) state.close();
  return { objectKey: key, snapshotKey: listing.objects[0]?.key ?? "" };
}
