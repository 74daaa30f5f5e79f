import { parseArgs } from "node:util";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { PartitionAppend } from "#lib/log/log-api.ts";
import type { AppendBatch, AppendCommand } from "#lib/log/log-command.ts";
import { LogJournals } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { ObjectListing, ObjectStore, PutResult } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { flushIdFromBytes, objectKey, uuidFromBytes } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";

// What the write path itself costs: a store that forgets at once, a journal in memory, batches made beforehand.
// Prints microseconds a batch: for the codecs and the fold alone, then for the whole path.

const options = parseArgs({ options: { batches: { type: "string", default: "200000" } } }).values;
const BATCHES = Number(options.batches);
const PARTITIONS = 24;
const JOURNALS = 12;
const NEVER = new AbortController().signal;

const topic: TopicPlacement = {
  topicId: uuidFromBytes(new Uint8Array(16).fill(1)),
  partitionCount: PARTITIONS,
  replicationFactor: 1,
  minInsyncReplicas: 1,
  baseJournal: 0,
  journalCount: JOURNALS,
  clusterSeq: 1,
};

/** Takes a turn of the event loop for every object, as an answer from outside would. */
class ForgetfulStore implements ObjectStore {
  async putIfAbsent(): Promise<PutResult> {
    await new Promise((resolve) => setImmediate(resolve));
    return { kind: "written" };
  }
  async get(): Promise<Uint8Array> {
    return new Uint8Array(0);
  }
  async getRange(): Promise<Uint8Array> {
    return new Uint8Array(0);
  }
  async list(): Promise<ObjectListing> {
    return { objects: [], isTruncated: false };
  }
  async deleteAll(): Promise<ReadonlySet<never>> {
    return new Set();
  }
}

function newPath(): AppendPath {
  const clock = new SystemClock();
  const random = new SystemRandom();
  const journal = new MemoryJournalService(clock).connect();
  const objects = new MemoryJournalObjects();
  const stores = new StoreSet(new Map([[0, new ForgetfulStore()]]));
  const journals = new LogJournals({
    count: JOURNALS,
    create: (id) =>
      new ReplicatedState({ id, machine: logStateMachine, journal, objects, clock, random, logger: SILENT_LOGGER }),
    signal: NEVER,
  });
  return new AppendPath(
    {
      journals,
      directory: { find: () => topic, refresh: async () => {} },
      storeIds: [0],
      writer: new ReplicatedWriter({ stores, clock, random, logger: SILENT_LOGGER }),
      recent: { addObject() {}, addInline() {} },
      clock,
      random,
      logger: SILENT_LOGGER,
      signal: NEVER,
    },
    DEFAULT_APPEND_SETTINGS,
  );
}

async function measurePath(name: string, valueBytes: number, perRequest: number): Promise<void> {
  const path = newPath();
  const record = { timestampMs: 1_000, key: null, value: Buffer.alloc(valueBytes), headers: [] };
  const bytes = buildBatch([record], { partitionLeaderEpoch: 0 });
  const header = readBatchHeader(bytes);
  const request = (first: number): PartitionAppend[] =>
    Array.from({ length: perRequest }, (_, index) => ({
      topic,
      partitionIndex: (first + index) % PARTITIONS,
      header,
      bytes,
    }));
  const options = { signal: NEVER, requireMinInsync: true };
  await path.append(request(0), options);
  const began = performance.now();
  let sent = 0;
  // 64 connections with one request under way each.
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (sent < BATCHES) {
        sent += perRequest;
        await path.append(request(sent), options);
      }
    }),
  );
  report(name, sent, performance.now() - began, bytes.byteLength);
}

function measureFold(): void {
  const batch: AppendBatch = {
    byteLength: 16_384,
    offsetCount: 100,
    maxTimestampMs: 1_700_000_000_000,
    producerId: 7,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: false,
    requireMinInsync: true,
  };
  const state = logStateMachine.initial();
  const open = { topicId: topic.topicId, replicationFactor: 1, minInsyncReplicas: 1, clusterSeq: 1 };
  const partitionIndexes = Array.from({ length: PARTITIONS }, (_, index) => index);
  const context = { seq: 1, indexInRecord: 0, proposedAtMs: 1_700_000_000_000 };
  logStateMachine.fold(state, { kind: "place-replicas", replicas: [0] }, context);
  logStateMachine.fold(state, { kind: "open", partitionIndexes, ...open }, context);
  const perPart = 21;
  let sequence = 0;
  const began = performance.now();
  let count = 0;
  for (let seq = 2; count < BATCHES; seq++) {
    const first = sequence;
    const parts = partitionIndexes.map((partitionIndex) => ({
      topicId: topic.topicId,
      partitionIndex,
      position: partitionIndex * perPart * batch.byteLength,
      batches: Array.from({ length: perPart }, (_, at) => ({ ...batch, baseSequence: first + at * 100 })),
    }));
    sequence += perPart * 100;
    const command: AppendCommand = {
      kind: "append",
      flushId: flushIdFromBytes(Buffer.alloc(16)),
      source: { kind: "object", key: objectKey(`wal/${seq}`), byteLength: 8_000_000, copies: [0] },
      parts,
    };
    const writer = new ByteWriter(32_768);
    logStateMachine.encodeCommand(command, writer);
    const decoded = logStateMachine.decodeCommand(new ByteReader(writer.toBytes()));
    const outcome = logStateMachine.fold(state, decoded, { ...context, seq });
    const outcomes = new ByteWriter(32_768);
    logStateMachine.encodeOutcome(outcome, outcomes);
    count += perPart * PARTITIONS;
  }
  report("codecs and fold, idempotent", count, performance.now() - began, 16_384);
}

function report(name: string, batches: number, ms: number, batchBytes: number): void {
  const micros = ((ms * 1_000) / batches).toFixed(2);
  const perSecond = Math.round((batches / ms) * 1_000);
  const mib = Math.round((perSecond * batchBytes) / 1_048_576);
  console.log(`${name.padEnd(44)} ${micros.padStart(7)} us/batch ${perSecond} batches/s ${mib} MiB/s`);
}

measureFold();
await measurePath("path, 16 KiB, 1 batch a request", 16_300, 1);
await measurePath("path, 16 KiB, 24 batches a request", 16_300, 24);
await measurePath("path, 200 bytes, 1 batch a request", 130, 1);
await measurePath("path, 200 bytes, 24 batches a request", 130, 24);
