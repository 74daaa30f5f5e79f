import type { DatabaseSync, StatementSync } from "node:sqlite";
import { isBusy } from "./sqlite-failure.ts";

// Several processes may write to the file, one at a time. SQLite lets whoever finds the write lock taken look again after
// pauses of up to 100 ms, and a process that always has more to write takes it again within 0.1 ms: under load the others
// then waited half a second and more for their turn. So we look again at short intervals, and who has just written lets
// the others come first.

const LOOK_MS = 0.25;
/** A lock that is kept for longer is nobody's turn: it may be a copy or a check of the file. */
const LOOK_CLOSELY_MS = 100;
const LOOK_LATER_MS = 2;
/** Long enough for a waiting process to look twice. */
const GIVE_WAY_MS = 0.5;

/** This process's turns at writing a file. Waits with its thread. */
export class WriteTurns {
  readonly #db: DatabaseSync;
  readonly #busyMsMax: number;
  readonly #version: StatementSync;
  #seenVersion: unknown;
  #endedAtMs = Number.NEGATIVE_INFINITY;

  /** `busyMsMax`: how long to wait for a turn. SQLite's own wait must be off. */
  constructor(db: DatabaseSync, busyMsMax: number) {
    this.#db = db;
    this.#busyMsMax = busyMsMax;
    // Changes when another connection has written.
    this.#version = db.prepare("PRAGMA data_version");
    this.#seenVersion = this.#version.get()?.["data_version"];
  }

  /** Begins a transaction that writes. Throws SQLite's error if the lock is not to be had in time. */
  begin(): void {
    this.#giveWay();
    this.#patiently(() => this.#db.exec("BEGIN IMMEDIATE"));
  }

  /** To be called after each commit. */
  ended(): void {
    this.#endedAtMs = performance.now();
  }

  /** Runs what needs no turn, but may find the file locked while another process opens, closes or mends it. */
  read<T>(work: () => T): T {
    return this.#patiently(work);
  }

  /** Tries what needs everybody out of the way, until it succeeds or the time is over. */
  tryUntil(msMax: number, work: () => boolean): void {
    const endMs = performance.now() + msMax;
    while (!work() && performance.now() < endMs) pause(LOOK_MS);
  }

  #giveWay(): void {
    const version = this.#version.get()?.["data_version"];
    const isAlone = version === this.#seenVersion;
    this.#seenVersion = version;
    if (isAlone) return;
    const leftMs = this.#endedAtMs + GIVE_WAY_MS - performance.now();
    if (leftMs > 0) pause(leftMs);
  }

  #patiently<T>(work: () => T): T {
    const beganMs = performance.now();
    for (;;) {
      try {
        return work();
      } catch (error) {
        const waitedMs = performance.now() - beganMs;
        if (!isBusy(error) || waitedMs >= this.#busyMsMax) throw error;
        pause(waitedMs < LOOK_CLOSELY_MS ? LOOK_MS : LOOK_LATER_MS);
      }
    }
  }
}

const NOTHING = new Int32Array(new SharedArrayBuffer(4));

/** Stops the thread. */
export function pause(ms: number): void {
  Atomics.wait(NOTHING, 0, 0, ms);
}
