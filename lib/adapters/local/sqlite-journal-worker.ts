import { parentPort, workerData } from "node:worker_threads";
import { defined } from "#lib/util/assert.ts";
import { saveCompiledCode } from "../node/compiled-code.ts";
import { toFailure } from "./sqlite-failure.ts";
import { OpenFailure, SqliteJournalDatabase } from "./sqlite-journal-database.ts";
import type { SqliteOperation, SqliteResult, WorkerMessage, WorkerSettings } from "./sqlite-journal-protocol.ts";

// The thread that waits for the disk, so that the event loop does not. Entry point of a worker; see sqlite-journal.ts.

const port = defined(parentPort, "the thread's parent");
const settings: WorkerSettings = workerData;
const database = open();
saveCompiledCode();

function open(): SqliteJournalDatabase | undefined {
  try {
    const opened = new SqliteJournalDatabase(settings);
    send({ kind: "opened" });
    return opened;
  } catch (error) {
    send(error instanceof OpenFailure ? error.failure : toFailure(error, settings.path));
    return undefined;
  }
}

port.on("message", (operations: readonly SqliteOperation[] | "close") => {
  if (operations === "close" || database === undefined) {
    database?.close();
    port.close();
    return;
  }
  const results = database.run(operations);
  send({ kind: "results", results }, results.flatMap(ownBuffers));
});

function send(message: WorkerMessage, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Buffers that may be handed over instead of copied. */
function ownBuffers(result: SqliteResult): ArrayBuffer[] {
  if (result.kind === "page") return result.records.flatMap(({ bytes }) => ownBuffer(bytes));
  return result.kind === "conflict" ? ownBuffer(result.existing) : [];
}

function ownBuffer(bytes: Uint8Array): ArrayBuffer[] {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength && bytes.byteLength > 0
    ? [buffer]
    : [];
}
