import { copiesToReplace, type ReplicaSettings, storesOf } from "#lib/log/commit-rule.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { LogSegment, LogState } from "#lib/log/log-state.ts";
import { uploadEpoch } from "#lib/log/upload-epoch.ts";
import { type SegmentSuffix, segmentDirectory, segmentFileKey } from "#lib/storage/object-keys.ts";
import type { SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { type CopyPorts, putEverywhere } from "./copies.ts";

export interface NewSegment {
  readonly files: SegmentFiles;
  readonly topic: string;
  readonly partitionIndex: number;
  /** The newest of its inputs'. */
  readonly appendedAtMs: TimestampMs;
  readonly isCleaned: boolean;
}

/** The stores that a partition's objects belong in, and how many of them a command needs. */
export interface Placement {
  readonly state: LogState;
  readonly settings: ReplicaSettings;
}

export interface SegmentWriterPorts extends CopyPorts {
  readonly journals: LogJournals;
}

/** Brings the files of new log segments to their stores. What no command names afterwards is garbage. */
export class SegmentWriter {
  readonly #ports: SegmentWriterPorts;

  constructor(ports: SegmentWriterPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves to the segment as a command may name it: with the stores that have all of its files, as many as a commit needs
   * or more. Fails with `StoreUnavailableError`, or the signal's reason.
   */
  async write(segment: NewSegment, { state, settings }: Placement, signal: AbortSignal): Promise<LogSegment> {
    const { clock, random, journals } = this.#ports;
    const { files, topic, partitionIndex, appendedAtMs, isCleaned } = segment;
    const { baseOffset } = files;
    const directory = segmentDirectory({
      uploadEpoch: uploadEpoch(clock, journals),
      // Each segment is an attempt of its own: no two of them ever share a key.
      attemptId: Buffer.from(random.bytes(16)).toString("hex"),
      topic,
      partitionIndex,
    });
    const file = (suffix: SegmentSuffix, chunks: readonly Uint8Array[]) => ({
      key: segmentFileKey(directory, baseOffset, suffix),
      chunks,
    });
    const objects = [
      file("log", files.log),
      file("index", [files.index]),
      file("timeindex", [files.timeIndex]),
      ...(files.txnIndex.byteLength > 0 ? [file("txnindex", [files.txnIndex])] : []),
    ];
    const placement = storesOf(state, settings);
    const needed = copiesToReplace(state, settings);
    const copies = await putEverywhere({ objects, placement, needed }, this.#ports, signal);
    return {
      baseOffset,
      nextOffset: files.nextOffset,
      directory,
      byteLength: files.logByteLength,
      indexByteLength: files.index.byteLength,
      timeIndexByteLength: files.timeIndex.byteLength,
      txnIndexByteLength: files.txnIndex.byteLength,
      maxTimestampMs: files.maxTimestampMs,
      appendedAtMs,
      isCleaned,
      copies,
    };
  }
}
