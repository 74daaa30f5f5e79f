import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { PartitionAppend } from "#lib/log/log-api.ts";
import type { AppendBatch, AppendCommand } from "#lib/log/log-command.ts";
import { newLogJournals } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { ObjectListing, ObjectStore, PutResult } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { flushIdFromBytes, objectKey, uuidFromBytes } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { SEGMENT_MEMORY_BYTES_MIN } from "#lib/util/limits.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { microsPerOperation } from "../support/timing.ts";

// What the write path itself costs: a store that forgets at once, a journal in memory, batches made beforehand.

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
  const journals = newLogJournals({
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
      memory: new SegmentMemory(SEGMENT_MEMORY_BYTES_MIN),
      clock,
      random,
      logger: SILENT_LOGGER,
      signal: NEVER,
    },
    DEFAULT_APPEND_SETTINGS,
  );
}

/** 64 connections with one request under way each. */
const CONNECTIONS = 64;

interface Requests {
  readonly valueBytes: number;
  readonly batchesPerRequest: number;
}

type Load = (batches: number) => Promise<void> | void;

async function pathLoad({ valueBytes, batchesPerRequest }: Requests): Promise<Load> {
  const path = newPath();
  const record = { timestampMs: 1_000, key: null, value: Buffer.alloc(valueBytes), headers: [] };
  const bytes = buildBatch([record], { partitionLeaderEpoch: 0 });
  const header = readBatchHeader(bytes);
  const request = (first: number): PartitionAppend[] =>
    Array.from({ length: batchesPerRequest }, (_, index) => ({
      topic,
      partitionIndex: (first + index) % PARTITIONS,
      header,
      bytes,
    }));
  const options = { signal: NEVER, requireMinInsync: true };
  await path.append(request(0), options);
  return async (batches) => {
    let sent = 0;
    const connection = async (): Promise<void> => {
      while (sent < batches) {
        sent += batchesPerRequest;
        await path.append(request(sent), options);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  };
}

const BATCHES_A_PART = 21;

/** Encodes, decodes and folds the commands of idempotent producers: nothing else of the path. */
function foldLoad(): Load {
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
  let sequence = 0;
  let seq = 1;
  return (batches) => {
    for (let done = 0; done < batches; done += BATCHES_A_PART * PARTITIONS) {
      const first = sequence;
      seq += 1;
      const parts = partitionIndexes.map((partitionIndex) => ({
        topicId: topic.topicId,
        partitionIndex,
        position: partitionIndex * BATCHES_A_PART * batch.byteLength,
        batches: Array.from({ length: BATCHES_A_PART }, (_, at) => ({ ...batch, baseSequence: first + at * 100 })),
      }));
      sequence += BATCHES_A_PART * 100;
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
    }
  };
}

const LOADS: readonly (readonly [name: string, make: () => Promise<Load> | Load])[] = [
  ["codecs and fold, idempotent", foldLoad],
  ["path, 16 KiB, 1 batch a request", () => pathLoad({ valueBytes: 16_300, batchesPerRequest: 1 })],
  ["path, 16 KiB, 24 batches a request", () => pathLoad({ valueBytes: 16_300, batchesPerRequest: 24 })],
  ["path, 200 bytes, 1 batch a request", () => pathLoad({ valueBytes: 130, batchesPerRequest: 1 })],
  ["path, 200 bytes, 24 batches a request", () => pathLoad({ valueBytes: 130, batchesPerRequest: 24 })],
];

export const appendPathSuite: BenchSuite = {
  name: "append-path",
  what: "the write path alone, over a store that forgets and a journal in memory: microseconds a batch",
  async run({ isSmall, repeats, wants }) {
    const measured: Measured[] = [];
    const count = isSmall ? 5_000 : 200_000;
    for (const [name, make] of LOADS) {
      if (!wants(name)) continue;
      const load = await make();
      const ours = await microsPerOperation({ count, repeats }, load);
      measured.push({ name, unit: "us/batch", better: "lower", ours, reference: [] });
    }
    return measured;
  },
};
