import { clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { decodeCommandObject } from "#lib/journal/command-object.ts";
import { COMMAND_KIND, type CommandEnvelope, decodeFeatureLevel, decodeRecord } from "#lib/journal/command-record.ts";
import type { JournalRecord } from "#lib/journal/journal.ts";
import type { JournalObjectRef } from "#lib/journal/journal-objects.ts";
import { decodePointer } from "#lib/journal/snapshot-shelf.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";

/** One record of a journal for people and scripts: plain values only. */
export interface RecordView {
  readonly seq: number;
  readonly bytes: number;
  /** CRC-32C of the record, in hexadecimal. */
  readonly checksum?: string;
  /** Of all that was folded before, as its proposer computed it. */
  readonly checksumBefore?: string;
  readonly commands?: readonly Readonly<Record<string, unknown>>[];
  readonly pointer?: Readonly<Record<string, unknown>>;
  /** Why it cannot be read. */
  readonly problem?: string;
}

/** A record of the journal `name`. Damage becomes `problem`. */
export function viewRecord(name: string, record: JournalRecord): RecordView {
  const base = { seq: record.seq, bytes: record.bytes.byteLength };
  try {
    return name.endsWith("/snapshots")
      ? { ...base, ...viewPointer(record) }
      : { ...base, ...viewCommands(name, record) };
  } catch (error) {
    return { ...base, problem: `${describeError(error)}; run millrace doctor` };
  }
}

function viewPointer(record: JournalRecord) {
  const { takenAtMs, journalBytes, object, snapshotSeq, chunks } = decodePointer(record);
  const pointer = { takenAt: new Date(takenAtMs).toISOString(), journalBytes, object: viewObject(object) };
  if (chunks.length === 0) return { pointer };
  const archive = chunks.map((chunk) => ({ lastSeq: chunk.lastSeq, object: viewObject(chunk.object) }));
  return { pointer: { ...pointer, snapshotSeq, archive } };
}

function viewObject({ key, byteLength, hash, copies }: JournalObjectRef) {
  return { key, byteLength, sha256: Buffer.from(hash).toString("hex"), copies };
}

function viewCommands(name: string, record: JournalRecord) {
  const { checksum, checksumBefore, commands } = decodeRecord(record.bytes);
  return {
    checksum: hex(checksum),
    checksumBefore: hex(checksumBefore),
    commands: commands.map((envelope) => ({
      id: Buffer.from(envelope.id).toString("hex"),
      proposedAt: new Date(envelope.proposedAtMs).toISOString(),
      ...viewBody(name, envelope),
    })),
  };
}

function viewBody(name: string, { kind, body }: CommandEnvelope): Readonly<Record<string, unknown>> {
  if (kind === COMMAND_KIND.featureLevel) return { kind: "feature-level", level: decodeFeatureLevel(body) };
  const reader = new ByteReader(body);
  if (kind === COMMAND_KIND.object) {
    const { foldedSeq, object } = decodeCommandObject(body);
    return { kind: "in-object", foldedSeq, object: viewObject(object) };
  }
  if (name === "cluster") return { ...clusterStateMachine.decodeCommand(reader) };
  if (name.startsWith("log-")) return viewLogCommand(logStateMachine.decodeCommand(reader));
  return { kind: "unknown", byteLength: body.byteLength };
}

/** Inlined batches are told in a few numbers each, not shown. */
function viewLogCommand(command: LogCommand): Readonly<Record<string, unknown>> {
  if (command.kind !== "append" || command.source.kind !== "inline") return { ...command };
  const { bytes } = command.source;
  const batches = splitBatches(bytes).batches.map((batch) => {
    const { sizeBytes, codecId, crc } = readBatchHeader(batch);
    return { bytes: sizeBytes, codecId, crc: hex(crc) };
  });
  return { ...command, source: { kind: "inline", byteLength: bytes.byteLength, batches } };
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

/** The same as text: a line for the record, one for each command below it. */
export function formatRecordView(view: RecordView): string {
  const head = `${view.seq}  ${view.bytes} bytes`;
  if (view.problem !== undefined) return `${head}  DAMAGED: ${view.problem}\n`;
  if (view.pointer !== undefined) return `${head}  snapshot ${formatFields(view.pointer)}\n`;
  const lines = (view.commands ?? []).map(({ kind, ...fields }) => `  ${String(kind)} ${formatFields(fields)}\n`);
  return `${head}  checksum=${view.checksum} before=${view.checksumBefore}\n${lines.join("")}`;
}

function formatFields(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
