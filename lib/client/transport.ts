import type { LogError } from "#lib/util/errors.ts";

/** Carries frames to a broker and back, each with its size in front. */
export interface Transport {
  /** For people: `127.0.0.1:9092`, or a URL. */
  readonly address: string;
  /** Sends one frame. Its answer, if it has one, comes through `onBytes`, or else `onLost` is called. */
  write(frame: readonly Uint8Array[]): void;
  /**
   * Resolves when the broker has read what is written; rejects if that is lost. Left out where frames are read in their
   * order: there the answer to a later one says so.
   */
  delivered?(): Promise<void>;
  /** Closes. What is written and has neither been answered nor been `delivered` may be lost. */
  close(): Promise<void>;
}

export interface TransportListener {
  /** Bytes of answers, in whatever pieces they arrive. */
  onBytes(chunk: Uint8Array): void;
  /** Nothing more comes, or something of what was written has got no answer. Called once at least when it is closed. */
  onLost(error: LogError): void;
}
