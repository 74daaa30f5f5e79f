import type {
  AppendBatch,
  AppendPart,
  AppendSource,
  BatchOutcome,
  LogCommand,
  LogOutcome,
} from "#lib/log/log-command.ts";
import { type LogState, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { initialLogState, logStateMachine } from "#lib/log/log-state-machine.ts";
import { defined } from "#lib/util/assert.ts";
import { flushIdFromBytes, objectKey, type TopicId, uuidFromBytes } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";

/** The topic number `n`: ids that tests can tell apart. */
export function topicIdOf(n: number): TopicId {
  return uuidFromBytes(Buffer.from(n.toString(16).padStart(32, "0"), "hex"));
}

export function flushIdOf(n: number) {
  return flushIdFromBytes(Buffer.from(n.toString(16).padStart(32, "0"), "hex"));
}

export const TOPIC = topicIdOf(1);

/** One record of 100 bytes without idempotence, unless told otherwise. */
export function batchOf(fields: Partial<AppendBatch> = {}): AppendBatch {
  return {
    byteLength: 100,
    offsetCount: 1,
    maxTimestampMs: 1_000,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    isTransactional: false,
    requireMinInsync: true,
    ...fields,
  };
}

export function produced(baseSequence: number, fields: Partial<AppendBatch> = {}): AppendBatch {
  return batchOf({ producerId: 7, producerEpoch: 0, baseSequence, ...fields });
}

export function objectSource(n: number, copies: readonly number[] = [0]): AppendSource {
  return { kind: "object", key: objectKey(`wal/${n}`), byteLength: 1_000_000, copies };
}

export const INLINE: AppendSource = { kind: "inline", bytes: new Uint8Array(0) };

export function open(
  partitionIndexes: readonly number[],
  fields: Partial<LogCommand & { kind: "open" }> = {},
): LogCommand {
  return {
    kind: "open",
    topicId: TOPIC,
    partitionIndexes,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    clusterSeq: 10,
    ...fields,
  };
}

/** A state under test: folds commands one record after another. */
export class FoldedLog {
  state: LogState = initialLogState();
  seq = 0;
  nowMs = 1_000_000;

  fold(command: LogCommand): LogOutcome {
    this.seq++;
    return logStateMachine.fold(this.state, command, { seq: this.seq, indexInRecord: 0, proposedAtMs: this.nowMs });
  }

  append(batches: readonly AppendBatch[], options: { source?: AppendSource; partitionIndex?: number } = {}) {
    const { source = objectSource(this.seq), partitionIndex = 0 } = options;
    return this.appendParts([{ topicId: TOPIC, partitionIndex, position: 0, batches }], source)[0] ?? [];
  }

  appendParts(parts: readonly AppendPart[], source: AppendSource): readonly (readonly BatchOutcome[])[] {
    const outcome = this.fold({ kind: "append", flushId: flushIdOf(this.seq), source, parts });
    if (outcome.kind !== "appended") throw new Error(`append answered ${outcome.kind}`);
    return outcome.parts;
  }

  partition(partitionIndex = 0, topicId = TOPIC): PartitionState {
    return defined(this.state.partitions.get(partitionKey(topicId, partitionIndex)), "partition");
  }
}

/** Partition 0 is open with RF 1 on store 0. */
export function openedLog(): FoldedLog {
  const log = new FoldedLog();
  log.fold({ kind: "place-replicas", replicas: [0] });
  log.fold(open([0]));
  return log;
}

export function encodedState(state: LogState): Uint8Array {
  const writer = new ByteWriter();
  logStateMachine.encodeState(state, writer);
  return writer.toBytes();
}

export function reloaded(state: LogState): LogState {
  const reader = new ByteReader(encodedState(state));
  const decoded = logStateMachine.decodeState(reader);
  reader.end();
  return decoded;
}

export function encodedOutcome(outcome: LogOutcome): Uint8Array {
  const writer = new ByteWriter();
  logStateMachine.encodeOutcome(outcome, writer);
  return writer.toBytes();
}

export function recoded(command: LogCommand): LogCommand {
  const writer = new ByteWriter();
  logStateMachine.encodeCommand(command, writer);
  const reader = new ByteReader(writer.toBytes());
  const decoded = logStateMachine.decodeCommand(reader);
  reader.end();
  return decoded;
}
